import Kernels

/// Merges runs of words.
final class RunMerge {
  /// A run, its word's first bytes as a number, and its posting at hand.
  private final class Cursor {
    let run: any WordRun
    /// In the order of the runs.
    let number: Int
    var word = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    var prefix: UInt64 = 0
    var document: UInt32 = 0
    var occurrences: UInt32 = 0
    private let buffer: UnsafeMutablePointer<UInt8>
    private var place: UnsafePointer<UInt8>
    private var end: UnsafePointer<UInt8>
    private var isComplete = true

    init(_ run: any WordRun, _ number: Int) {
      self.run = run
      self.number = number
      buffer = .allocate(capacity: 4096 + Cursor.longest)
      (place, end) = (UnsafePointer(buffer), UnsafePointer(buffer))
    }

    deinit { buffer.deallocate() }

    /// The most bytes of a posting.
    private static let longest = 16

    /// Takes the run's word as it is now; false at the run's end.
    func takeWord() -> Bool {
      guard let word = run.word else { return false }
      self.word = word
      var prefix: UInt64 = 0
      for index in 0..<min(8, word.count) {
        prefix |= UInt64(word[index]) << UInt64(56 - 8 * index)
      }
      self.prefix = prefix
      return true
    }

    func isLess(than other: Cursor) -> Bool {
      if prefix != other.prefix { return prefix < other.prefix }
      let order = compareBytes(word.start, word.count, other.word.start, other.word.count)
      return order == 0 ? number < other.number : order < 0
    }

    func hasWord(of other: Cursor) -> Bool {
      prefix == other.prefix && word.count == other.word.count
        && equalBytes(word.start, other.word.start, count: word.count)
    }

    /// Begins the word's postings.
    func begin() throws {
      document = 0
      (place, end) = (UnsafePointer(buffer), UnsafePointer(buffer))
      isComplete = false
    }

    /// The next posting; false at the end.
    @inline(__always)
    func next() throws -> Bool {
      if end - place < Cursor.longest && !isComplete { try fill() }
      guard place < end else { return false }
      let head = readVarint(unchecked: &place)
      document &+= UInt32(truncatingIfNeeded: head &>> 1)
      occurrences =
        head & 1 == 1 ? 1 : UInt32(truncatingIfNeeded: readVarint(unchecked: &place))
      return true
    }

    private func fill() throws {
      while end - place < Cursor.longest && !isComplete {
        let left = end - place
        buffer.update(from: place, count: left)
        let count = try run.readPostings(into: buffer + left)
        isComplete = count == 0
        place = UnsafePointer(buffer)
        end = place + left + count
      }
    }
  }

  private var heap: [Cursor] = []
  private var group: [Cursor] = []

  init(_ runs: [any WordRun]) {
    for (number, run) in runs.enumerated() {
      let cursor = Cursor(run, number)
      if cursor.takeWord() { push(cursor) }
    }
  }

  /// Writes all words.
  ///
  /// - Parameters:
  ///   - ordinals: What a run's number of a document becomes; nil: itself.
  ///   - check: Throws where the work is to stop.
  ///   - ended: Is told a run of each word, before the run goes on.
  func write(
    to dictionary: DictionaryWriter, ordinals: [UInt32]?, check: () throws -> Void,
    ended: (any WordRun) throws -> Void = { _ in }
  ) throws {
    var count = 0
    while let first = pop() {
      group.append(first)
      while let other = heap.first, other.hasWord(of: first) { group.append(pop()!) }
      if let ordinals {
        try ordinals.withUnsafeBufferPointer { ordinals in
          try mergePostings { try dictionary.add(ordinals[Int($0)], $1) }
        }
      } else {
        try mergePostings { try dictionary.add($0, $1) }
      }
      try dictionary.end(first.word)
      try ended(first.run)
      for cursor in group {
        try cursor.run.advance()
        if cursor.takeWord() { push(cursor) }
      }
      group.removeAll(keepingCapacity: true)
      count &+= 1
      if count & 0xFFFF == 0 { try check() }
    }
  }

  /// Postings of the group in the order of documents; what several have of one is added up.
  @inline(__always)
  private func mergePostings(_ add: (UInt32, UInt32) throws -> Void) throws {
    var open: (document: UInt32, occurrences: UInt32)?
    func put(_ document: UInt32, _ occurrences: UInt32) throws {
      if let last = open {
        if last.document == document {
          let (sum, overflow) = last.occurrences.addingReportingOverflow(occurrences)
          open = (document, overflow ? .max : sum)
          return
        }
        try add(last.document, last.occurrences)
      }
      open = (document, occurrences)
    }
    var cursors = group
    for cursor in cursors { try cursor.begin() }
    cursors = try cursors.filter { try $0.next() }
    while cursors.count > 1 {
      // The cursor that is first goes on up to where the second is.
      var first = 0
      var bound = UInt32.max
      for index in 1..<cursors.count {
        if cursors[index].document < cursors[first].document {
          bound = cursors[first].document
          first = index
        } else {
          bound = min(bound, cursors[index].document)
        }
      }
      let cursor = cursors[first]
      var isAtEnd = false
      repeat {
        try put(cursor.document, cursor.occurrences)
        isAtEnd = try !cursor.next()
      } while !isAtEnd && cursor.document <= bound
      if isAtEnd { cursors.remove(at: first) }
    }
    if let cursor = cursors.first {
      repeat { try put(cursor.document, cursor.occurrences) } while try cursor.next()
    }
    if let open { try add(open.document, open.occurrences) }
  }

  private func push(_ cursor: Cursor) {
    heap.append(cursor)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].isLess(than: heap[parent]) else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private func pop() -> Cursor? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return first }
    heap[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count && heap[child + 1].isLess(than: heap[child]) { child += 1 }
      guard heap[child].isLess(than: heap[parent]) else { break }
      heap.swapAt(child, parent)
      parent = child
    }
    return first
  }
}
