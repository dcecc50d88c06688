import Core
import Synchronization
import TestSupport
import Testing

@testable import Stores

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite("Names in folders are brought to the disk for several threads at once")
struct FolderSyncTests {
  /// Calls that wait until they are let go, one after the other.
  private final class Calls: Sendable {
    let state = Mutex((begun: 0, allowed: 0))
    /// Which of them fail.
    let failing: Set<Int>

    init(failing: Set<Int> = []) { self.failing = failing }

    var begun: Int { state.withLock { $0.begun } }

    func letGo(_ count: Int) { state.withLock { $0.allowed = count } }

    func make() throws(Errno) {
      let number = state.withLock { state in
        state.begun += 1
        return state.begun
      }
      while state.withLock({ $0.allowed }) < number { usleep(200) }
      if failing.contains(number) { throw Errno(EIO) }
    }
  }

  /// One thread makes a call, and others come meanwhile.
  private func start(
    others count: Int, _ calls: Calls
  ) -> (sync: FolderSync, first: Job<Bool>, others: [Job<Bool>]) {
    let sync = FolderSync { _ throws(Errno) in try calls.make() }
    let first = start(1, sync)[0]
    until { calls.begun == 1 }
    let others = start(count, sync)
    until { sync.waiting("f") == count + 1 }
    return (sync, first, others)
  }

  private func start(_ count: Int, _ sync: FolderSync) -> [Job<Bool>] {
    (0..<count).map { _ in
      Job {
        do {
          try sync.synchronize("f")
          return true
        } catch {
          return false
        }
      }
    }
  }

  @Test("Who comes while a call is under way waits for the next one, which serves all of them")
  func together() throws {
    let calls = Calls()
    let (sync, first, others) = start(others: 7, calls)
    calls.letGo(1)
    #expect(try first.value())
    // The one under way had begun before these came: it does not do for them.
    until { calls.begun == 2 }
    #expect(sync.waiting("f") == 7)
    calls.letGo(9)
    for job in others { #expect(try job.value()) }
    #expect(calls.begun == 2)
    #expect(sync.waiting("f") == 0)
  }

  @Test("A call that fails does so for all who had waited for it, and for nobody else")
  func failing() throws {
    let calls = Calls(failing: [2])
    let (sync, first, others) = start(others: 3, calls)
    calls.letGo(9)
    #expect(try first.value())
    for job in others { #expect(try !job.value()) }
    #expect(calls.begun == 2)
    #expect(try start(1, sync)[0].value())
    #expect(calls.begun == 3)
  }

  @Test("Folders do not wait for each other")
  func apart() throws {
    let calls = Calls()
    let sync = FolderSync { folder throws(Errno) in
      if folder == "f" { try calls.make() }
    }
    let first = start(1, sync)[0]
    until { calls.begun == 1 }
    let isDone = Mutex(false)
    let other = Job {
      try sync.synchronize("g")
      isDone.withLock { $0 = true }
    }
    until { isDone.withLock { $0 } }
    #expect(isDone.withLock { $0 })
    calls.letGo(1)
    #expect(try first.value())
    try other.value()
  }

  @Test("A folder that is not there is an error")
  func missing() {
    #expect(throws: Errno(ENOENT)) { try FolderSync.shared.synchronize("/nowhere/at all") }
    #expect(throws: Never.self) { try FolderSync.shared.synchronize("/tmp") }
  }
}
