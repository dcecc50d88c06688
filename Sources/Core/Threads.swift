import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Applies `body` to every item on at most `limit` threads of our own: the work blocks in C, and
/// the task pool is only as wide as the machine.
///
/// - Returns: One result per item, in the items' order. One item's failure does not stop others.
public func concurrently<Item: Sendable, Result: Sendable>(
  _ items: [Item], limit: Int, _ body: @escaping @Sendable (Item) throws -> Result
) -> [Swift.Result<Result, any Error>] {
  guard items.count > 1 && limit > 1 else {
    return items.map { item in Swift.Result { try body(item) } }
  }
  return Array(unsafeUninitializedCapacity: items.count) { buffer, count in
    let next = Atomic<Int>(0)
    let places = Places(start: buffer.baseAddress!)
    onThreads(count: min(limit, items.count)) { _ in
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < items.count else { return }
        (places.start + index).initialize(to: Swift.Result { try body(items[index]) })
      }
    }
    count = items.count
  }
}

/// Where results go. A lock for each of a hundred thousand would cost more than many a `body`.
private struct Places<Value>: @unchecked Sendable {
  // Unchecked: each place is written by the one thread that took it, and read once all have ended.
  let start: UnsafeMutablePointer<Value>
}

/// Runs `body` once on each of `count` threads, of which the caller's is one, passing 0, 1, …, and
/// waits for all.
public func onThreads(count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  guard count > 1 else {
    if count == 1 { body(0) }
    return
  }
  let others = Latch(count - 1)
  for index in 1..<count { Worker.run({ body(index) }, done: { others.countDown() }) }
  body(0)
  others.wait()
}

/// Starts a thread with an 8 MiB stack. The caller joins or detaches it.
public func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
  final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  pthread_attr_setstacksize(&attributes, 8 << 20)
  defer { pthread_attr_destroy(&attributes) }
  let box = Unmanaged.passRetained(Box(body))
  #if canImport(Glibc)
    var thread = pthread_t()
  #else
    var thread: pthread_t!
  #endif
  let status = pthread_create(
    &thread, &attributes,
    { context in
      #if canImport(Glibc)
        let pointer = context!
      #else
        let pointer = context
      #endif
      Unmanaged<Box>.fromOpaque(pointer).takeRetainedValue().body()
      return nil
    }, box.toOpaque())
  precondition(status == 0, "the system refused a thread")
  return thread
}
