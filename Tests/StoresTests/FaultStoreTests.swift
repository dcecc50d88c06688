import Core
import Testing

@testable import Stores

struct FaultStoreTests {
  let scratch = Scratch()

  @Test("a put can fail before it happens, or after")
  func puts() throws {
    let store = FaultStore(
      wrapping: scratch.store,
      faults: [
        .init(.put, "a"): .fails(.full), .init(.put, "b"): .losesAnswer(.unreachable),
        .init(.put, "c"): .breaks(after: 5, .unreachable),
      ])
    expectFailure(.full) { try store.put("a", text: "x") }
    expectFailure(.unreachable) { try store.put("b", text: "x") }
    expectFailure(.unreachable) { try store.put("c", text: "x") }
    #expect(try scratch.store.objects(below: "").map(\.key) == ["b"])
    _ = try store.put("a", text: "x")
    #expect(try store.text("a") == "x")
    expectFailure(.conditionFailed) { try store.put("b", text: "x", .absent) }
    #expect(
      store.history == [
        .init(.put, "a"), .init(.put, "b"), .init(.put, "c"), .init(.put, "a", attempt: 2),
        .init(.read, "a"), .init(.put, "b", attempt: 2),
      ])
  }

  @Test("reads and listings can break half-way")
  func breaks() throws {
    for key in ["a", "b", "c"] { scratch.write(key, "hello") }
    let store = FaultStore(
      wrapping: scratch.store,
      faults: [
        .init(.read, "a"): .breaks(after: 3, .unreachable),
        .init(.list, ""): .breaks(after: 2, .denied),
        .init(.head, "a", attempt: 2): .fails(.denied), .init(.delete, "a"): .fails(.denied),
      ])
    var bytes: [UInt8] = []
    expectFailure(.unreachable) {
      try store.read("a", range: nil, ifMatch: nil, cancellation: .never) { bytes += $0 }
    }
    #expect(bytes == Array("hel".utf8))
    var keys: [String] = []
    expectFailure(.denied) { try store.list(prefix: "") { keys += $0.map(\.key) } }
    #expect(keys == ["a", "b"])
    #expect(try store.objects(below: "").count == 3)
    #expect(try store.head("a") != nil)
    expectFailure(.denied) { try store.head("a") }
    expectFailure(.denied) { try store.delete(["a", "b"]) }
    try store.delete(["a", "b"])
    #expect(try store.objects(below: "").map(\.key) == ["c"])
  }

  @Test("rule 37: a seed breaks the same calls, whatever the order of threads")
  func seeded() throws {
    func failures(_ seed: UInt64, _ limit: Int) -> [Bool] {
      let store = FaultStore(wrapping: scratch.store, seed: seed, period: 4)
      return concurrently(Array(0..<200), limit: limit) { try store.head("key\($0)") }
        .map { (try? $0.get()) == nil && !$0.isSuccess }
    }
    let first = failures(1, 1)
    #expect(failures(1, 8) == first)
    #expect(failures(2, 1) != first)
    #expect((30...70).contains(first.count { $0 }))
  }
}

extension Result {
  fileprivate var isSuccess: Bool {
    if case .success = self { true } else { false }
  }
}
