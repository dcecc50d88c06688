import Core
import Lake

/// Which files have had to wait because another had their number (rule 32), and wait no more.
///
/// Nothing is kept about them: a file of the source that has a number and is not in the index waits
/// for it, or is no text. So who waits follows from the source's log and the index alone, whichever
/// run died when.
struct WaitingFiles {
  let base: IndexBase
  /// Files that did not change and were looked at again.
  private(set) var looked = Set<String>()
  private let delta: Delta
  private let state: LogState
  private let removed: Set<String>
  /// The keys of files that were given a number: documents, and what turned out to be no text. As a
  /// set only where it is asked for, which a first build never does.
  private var given: [String] = []
  /// Those that were given none, by their keys.
  private var without: [String: DocumentNumbers.Misfit] = [:]

  init(_ batch: IndexBatch, _ base: IndexBase) {
    self.base = base
    delta = batch.delta
    state = batch.state
    removed = Set(delta.changes.removed)
  }

  /// In the order of their keys.
  var misfits: [DocumentNumbers.Misfit] {
    without.values.sorted { $0.file.key < $1.file.key }
  }

  /// Of each number the file that has it in the index and stays in the source.
  func owners(_ ids: [UInt32]) throws -> [String?] {
    // After a rebuild, nothing of before counts.
    guard !delta.isRebuild, base.manifest != nil else { return ids.map { _ in nil } }
    let taken = Set(given)
    return try base.documents(ids: ids).map { found in
      guard let key = found?.key else { return nil }
      // One that turned out to be no text has left its number to others.
      return removed.contains(key) || taken.contains(key) ? nil : key
    }
  }

  /// The files that wait for the numbers that the batch's removals leave to others.
  mutating func recalled() throws -> [LoggedFile] {
    guard !delta.isRebuild, !removed.isEmpty else { return [] }
    let ids = delta.changes.removed.compactMap { DocumentNumbers.number(of: $0) }
    let free = Set(zip(ids, try owners(ids)).filter { $0.1 == nil }.map(\.0))
    let present = Set(delta.present)
    let files = files(for: free).filter { !present.contains($0.key) }
    looked.formUnion(files.map(\.key))
    return files
  }

  /// Takes down which files have got a number.
  mutating func note(_ numbers: DocumentNumbers) {
    // In a rebuild, no two files have one number.
    if !delta.isRebuild {
      given += numbers.numbered.lazy.map(\.file.key)
      if !without.isEmpty { for (file, _) in numbers.numbered { without[file.key] = nil } }
    }
    for misfit in numbers.misfits { without[misfit.file.key] = misfit }
  }

  /// The files that are to have one of the numbers of files that turned out to be no text.
  mutating func next(after rejected: Set<UInt32>) -> [LoggedFile] {
    let files = files(for: rejected)
    looked.formUnion(files.map(\.key))
    return files
  }

  /// The consumed files that could have one of these numbers and have not been given one.
  ///
  /// - Complexity: O(files of the source), most of which are not unpacked, where there are numbers.
  private func files(for ids: Set<UInt32>) -> [LoggedFile] {
    guard !ids.isEmpty, !delta.isRebuild, case .log(let consumed, _) = delta.position else {
      return []
    }
    let taken = Set(given)
    var found: [LoggedFile] = []
    state.files.forEachKey { index, key in
      guard let number = DocumentNumbers.number(of: key), ids.contains(number) else { return }
      let file = state.files[index]
      // What a later batch brought is that batch's.
      if file.batch <= consumed && !taken.contains(file.key) { found.append(file) }
    }
    return found
  }
}
