import Core
import Lake

/// The tables of an index on their way to one of its versions, side by side: each has its rows
/// written, then everything that its commit names, and then waits until all of them may become
/// visible, one after the other.
final class IndexPublication: Sendable {
  typealias Staged = IndexTables.Staged

  private let turns: Turns
  private let rows: [Job<Staged>]
  private let commits: [Job<Bool>]

  /// Starts.
  ///
  /// - Parameters:
  ///   - works: Write the rows of the tables, in the order in which these become visible.
  ///   - isSmall: All of them will be written in no time: the commit of one is made while the rows of
  ///     others are written. It is dated by when it was made.
  ///   - decide: What a table with such rows gets, as it is now.
  init(
    _ tables: IndexTables, _ works: [@Sendable () throws -> Staged], isSmall: Bool,
    cancellation: Cancellation, decide: @escaping @Sendable (Staged, Table?) throws -> Decision
  ) {
    let turns = Turns()
    self.turns = turns
    let rows = works.map { Job($0) }
    self.rows = rows
    commits = rows.indices.map { index in
      Job {
        do {
          let own = Result { try rows[index].value() }
          let others = isSmall ? [] : rows.map { job in Result { try job.value() } }
          do {
            for other in others { _ = try other.get() }
          } catch {
            if let own = try? own.get() { tables.discard([own]) }
            throw error
          }
          return try tables.commit(
            own.get(), cancellation: cancellation,
            ready: { try turns.wait(for: index + 1) }, visible: { turns.pass() }, decide: decide)
        } catch {
          turns.stop(at: index + 1)
          throw error
        }
      }
    }
  }

  /// Waits until all rows are written.
  ///
  /// - Throws: What the writing of one of them throws; `stop` is to be called then, too.
  func staged() throws -> [Staged] {
    let results = rows.map { job in Result { try job.value() } }
    return try results.map { try $0.get() }
  }

  /// Makes the tables visible.
  ///
  /// - Parameter first: What has to be visible before them.
  /// - Returns: Whether any of them changed.
  /// - Throws: `LakeError` `.conflict` where a table is not as it was when its rows were written;
  ///   before all else, what `first` throws. The rows of tables that did not become visible are
  ///   dropped then.
  func finish(after first: () throws -> Void = {}) throws -> Bool {
    do {
      try first()
    } catch {
      stop()
      throw error
    }
    turns.pass()
    let outcomes = commits.map { job in Result { try job.value() } }
    // Those after the first that failed have stopped because of it.
    return try outcomes.map { try $0.get() }.contains(true)
  }

  /// Lets none of the tables become visible any more, and waits until what was written is dropped.
  func stop() {
    turns.stop(at: 0)
    for job in commits { _ = try? job.value() }
  }
}

/// Lets threads go on one after the other, in the order of their numbers from 1, once number 0 has
/// passed.
final class Turns: @unchecked Sendable {
  // Unchecked: what varies is guarded by the monitor.

  /// One that comes before has failed, and what was to follow it is not to be done.
  struct Stopped: Error {}

  private let monitor = Monitor()
  private var next = 0
  private var stopped = Int.max

  /// Waits until all before have passed.
  ///
  /// - Throws: `Stopped` once one of them has stopped.
  func wait(for number: Int) throws {
    try monitor.withLock {
      while next < number && stopped > number { monitor.wait() }
      if next < number { throw Stopped() }
    }
  }

  /// Ends the turn of the one whose turn it is.
  func pass() {
    monitor.withLock {
      next += 1
      monitor.wakeAll()
    }
  }

  /// Stops those after one that has failed.
  func stop(at number: Int) {
    monitor.withLock {
      stopped = min(stopped, number)
      monitor.wakeAll()
    }
  }
}
