import Synchronization
import Testing

@testable import Core

@Suite("threads")
struct ThreadTests {
  struct Odd: Error, Equatable { var number: Int }

  @Test("results come in the items' order, and a failure stops no other", arguments: [1, 2, 16])
  func results(_ limit: Int) throws {
    let items = Array(0..<10_000)
    let results = concurrently(items, limit: limit) { item -> String in
      if item % 2 == 1 { throw Odd(number: item) }
      return "result \(item), long enough to be an object of its own"
    }
    #expect(results.count == items.count)
    for (item, result) in zip(items, results) {
      switch result {
      case .success(let text): #expect(text.hasPrefix("result \(item),") && item % 2 == 0)
      case .failure(let error): #expect(error as? Odd == Odd(number: item))
      }
    }
  }

  @Test("every item is done once, by no more threads than allowed")
  func once() {
    let counts = (0..<500).map { _ in Counter() }
    let running = Counter()
    let results = concurrently(counts, limit: 5) { counter in
      let now = running.value.add(1, ordering: .sequentiallyConsistent).newValue
      counter.value.add(1, ordering: .relaxed)
      running.value.subtract(1, ordering: .sequentiallyConsistent)
      return now
    }
    #expect(counts.allSatisfy { $0.value.load(ordering: .relaxed) == 1 })
    #expect(results.compactMap { try? $0.get() }.allSatisfy { (1...5).contains($0) })
    #expect(concurrently([Int](), limit: 4) { $0 }.isEmpty)
  }

  @Test("each has a thread of its own, however many there are, in calls inside of calls, too")
  func own() {
    for _ in 0..<3 {
      let gate = Monitor()
      let arrived = Counter()
      let results = concurrently([0, 1], limit: 2) { _ in
        onThreads(count: 20) { _ in
          // Would wait for ever if one of the forty were to wait for another's thread.
          gate.withLock {
            if arrived.value.add(1, ordering: .relaxed).newValue == 40 { gate.wakeAll() }
            while arrived.value.load(ordering: .relaxed) < 40 { gate.wait() }
          }
        }
      }
      #expect(results.count == 2 && arrived.value.load(ordering: .relaxed) == 40)
    }
  }

  @Test("a thread that waits for more has let go of what it did")
  func letsGo() {
    for _ in 0..<100 {
      weak var seen: Counter?
      do {
        let counter = Counter()
        seen = counter
        onThreads(count: 3) { _ in counter.value.add(1, ordering: .relaxed) }
        #expect(counter.value.load(ordering: .relaxed) == 3)
      }
      #expect(seen == nil)
    }
  }

  @Test("a job goes on by itself, and gives what came of it to all who ask")
  func job() throws {
    let gate = Monitor()
    let isOpen = Counter()
    let job = Job {
      gate.withLock { while isOpen.value.load(ordering: .relaxed) == 0 { gate.wait() } }
      return 7
    }
    // It is still under way: this would not be reached otherwise.
    gate.withLock {
      isOpen.value.store(1, ordering: .relaxed)
      gate.wakeAll()
    }
    #expect(
      try concurrently([0, 1], limit: 2) { _ in try job.value() }.map { try $0.get() } == [7, 7])
    let failing = Job<Int> { throw Odd(number: 3) }
    for _ in 0..<2 { #expect(throws: Odd(number: 3)) { try failing.value() } }
  }

  private final class Counter: Sendable {
    let value = Atomic<Int>(0)
  }
}
