import Core
import Formats
import Kernels
import Synchronization

/// Exact top-k per group: reads its input once, in parallel, in bounded memory.
///
/// The result is the same whatever the number of threads, the order of files and of rows. Memory is
/// `memoryByteCount` and the result's rows; what exceeds it is written aside.
public struct Rank: Sendable {
  /// Where rows come from.
  public enum Input: Sendable {
    /// Delimited files, read the cheapest way that their format allows.
    case text([InputFile], DelimitedFormat, rejects: RejectLog?)
    /// Typed batches of anything else.
    case batches(any BatchSource)

    var schema: Schema {
      switch self {
      case .text(_, let format, _): Schema(format.columns)
      case .batches(let source): source.schema
      }
    }
  }

  /// What a run gives.
  public struct Outcome: Sendable {
    public var rows: RankResult
    /// Of a `.text` input: what became of its rows.
    public var tally = Tally()
    /// Bytes that did not fit in memory.
    public var spilledByteCount: Int64 = 0
  }

  let definition: RankDefinition
  let label: String
  let threads: Int
  let memoryByteCount: Int
  let spillFolder: @Sendable () throws -> String
  let cancellation: Cancellation
  /// Whether it is worth looking whether keys ascend.
  var triesOrder = true

  /// - Parameters:
  ///   - label: What messages call it: the model's name.
  ///   - spillFolder: Gives a folder for what does not fit in memory, when it is needed.
  public init(
    _ definition: RankDefinition, label: String, threads: Int, memoryByteCount: Int,
    cancellation: Cancellation = .never, spillFolder: @escaping @Sendable () throws -> String
  ) {
    self.definition = definition
    self.label = label
    self.threads = max(1, threads)
    self.memoryByteCount = memoryByteCount
    self.cancellation = cancellation
    self.spillFolder = spillFolder
  }

  /// - Parameters:
  ///   - except: What `definition.except` compares with; needed for, and only used with it.
  ///   - progress: Told the share that is done, from 0 to 1.
  /// - Throws: `OperatorError`, `FormatError`, `Cancelled`, and what the sources throw.
  public func run(
    _ input: Input, except: (any BatchSource)? = nil,
    progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) throws -> Outcome {
    let schema = try definition.resultSchema(input: input.schema, label: label)
    let keyTypes = definition.keyColumns.map { input.schema[$0]!.type }
    if case .text(let files, let format, let rejects) = input {
      if let keyed = try keyedSource(files, format, rejects) {
        let coding = KeyCoding(keyed.coding, keyTypes)
        let exclusion = try exclusion(except, keyTypes, coding)
        if triesOrder,
          let outcome = try sumOrdered(
            files, format, rejects, schema, coding, exclusion, progress: progress)
        {
          return outcome
        }
        return try sum(
          schema, coding, exclusion, progress: progress,
          share: { keyed.progress }, tally: { keyed.tally }
        ) { writer in
          guard let block = try keyed.next() else { return false }
          try block.append(to: writer)
          return true
        }
      }
      let source = try DelimitedSource(
        files: files, format: format, rejects: rejects, cancellation: cancellation)
      return try sum(
        source, schema, keyTypes, except, progress: progress,
        finish: { try source.finish() }, tally: { source.tally })
    }
    guard case .batches(let source) = input else { preconditionFailure("there are two kinds") }
    return try sum(
      source, schema, keyTypes, except, progress: progress, finish: {}, tally: { Tally() })
  }

  /// Nil where rows have to be looked at column by column.
  func keyedSource(
    _ files: [InputFile], _ format: DelimitedFormat, _ rejects: RejectLog?,
    holdsRejects: Bool = false, blockByteCount: Int = 256 << 10
  ) throws -> KeyedSource? {
    var sum: String?
    if case .sum(let name) = definition.measure { sum = name }
    return try KeyedSource(
      files: files, format: format, by: definition.keyColumns,
      groupCount: definition.within.count, sum: sum,
      conditions: definition.conditions.map { condition in
        condition.condition(on: format.columns.firstIndex { $0.name == condition.column }!)
      }, rejects: rejects, holdsRejects: holdsRejects, cancellation: cancellation,
      blockByteCount: blockByteCount)
  }

  private func exclusion(
    _ source: (any BatchSource)?, _ keyTypes: [FieldType], _ coding: KeyCoding
  ) throws -> Exclusion? {
    guard let exception = definition.except, let source else { return nil }
    return try Exclusion(
      source, exception, keyColumns: definition.keyColumns, keyTypes: keyTypes, coding: coding,
      label: label)
  }

  private func sum(
    _ source: any BatchSource, _ schema: Schema, _ keyTypes: [FieldType],
    _ except: (any BatchSource)?, progress: @escaping @Sendable (Double) -> Void,
    finish: @Sendable () throws -> Void, tally: @Sendable () -> Tally
  ) throws -> Outcome {
    let coding = KeyCoding.typed(keyTypes)
    let encoder = BatchEncoder(definition, source.schema)
    let outcome = try sum(
      schema, coding, try exclusion(except, keyTypes, coding), progress: progress,
      share: { source.progress }, tally: tally
    ) { writer in
      guard let batch = try source.next() else { return false }
      try encoder.append(batch, to: writer)
      return true
    }
    try finish()
    return outcome
  }

  /// Deals all rows out by their keys' hash, then sums part after part.
  ///
  /// - Parameter read: Appends the next piece of input; false at its end. Called by any thread.
  private func sum(
    _ schema: Schema, _ coding: KeyCoding, _ exclusion: Exclusion?,
    progress: @escaping @Sendable (Double) -> Void,
    share: @escaping @Sendable () -> (done: Int64, total: Int64), tally: @Sendable () -> Tally,
    _ read: @escaping @Sendable (borrowing PartitionWriter) throws -> Bool
  ) throws -> Outcome {
    let rows = PartitionedRows(
      memoryByteCount: memoryByteCount / 2, directory: spillFolder)
    try onWorkers { _, stop in
      let writer = PartitionWriter(rows)
      while !stop.isSet {
        try cancellation.check()
        guard try read(writer) else { break }
        let (done, total) = share()
        progress(total > 0 ? 0.7 * Double(done) / Double(total) : 0)
      }
      try writer.finish()
    }
    let next = Atomic<Int>(0)
    let kept = Mutex<[SendableBox<TopCandidates>]>([])
    try onWorkers { _, stop in
      let top = TopCandidates(definition, coding, exclusion)
      let sums = SumTable()
      while !stop.isSet {
        let part = next.add(1, ordering: .relaxed).oldValue
        guard part < PartitionedRows.partCount else { break }
        try sum(part, of: rows, sums, top, coding)
        progress(0.7 + 0.3 * Double(part) / Double(PartitionedRows.partCount))
      }
      let box = SendableBox(top)
      kept.withLock { $0.append(box) }
    }
    let all = kept.withLock { $0.map(\.value) }
    return try Outcome(
      rows: RankResult(schema: schema, definition, all, coding, threads: threads), tally: tally(),
      spilledByteCount: rows.spilledByteCount)
  }

  /// Sums one part, in as many passes as memory asks for.
  private func sum(
    _ part: Int, of rows: PartitionedRows, _ sums: SumTable, _ top: TopCandidates,
    _ coding: KeyCoding
  ) throws {
    let allowance = max(1 << 20, memoryByteCount / 2 / threads)
    var passes = 1
    while rows.byteCount(ofPart: part) / passes * 2 > allowance && passes < 1 << 16 { passes *= 2 }
    let mask = UInt64(passes - 1)
    for pass in 0..<UInt64(passes) {
      try rows.forEachChunk(ofPart: part, frees: pass == mask) { chunk in
        try cancellation.check()
        var place = chunk.baseAddress!
        let end = place + chunk.count
        while place < end {
          let value = place.loadUnaligned(as: Int64.self)
          let count = Int(place.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
          let groupCount = Int(place.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
          let key = (place + PartitionedRows.headByteCount).assumingMemoryBound(to: UInt8.self)
          let hash = hash64(key, count: count)
          if (hash &>> 40) & mask == pass {
            sums.add(key, count: count, groupCount: groupCount, hash: hash, value)
          }
          place += PartitionedRows.headByteCount &+ count
        }
      }
      try sums.offer(to: top, coding, label: label)
    }
  }

  /// Runs `body` on all threads; the first failure stops the others and is thrown.
  func onWorkers(_ body: @escaping @Sendable (Int, StopSign) throws -> Void) throws {
    let stop = StopSign()
    onThreads(count: threads) { index in
      do {
        try body(index, stop)
      } catch {
        stop.set(error)
      }
    }
    try stop.throwIfSet()
  }
}

/// Tells threads that work together that one of them has failed.
final class StopSign: Sendable {
  private let flag = Atomic<Bool>(false)
  private let failure = Mutex<(any Error)?>(nil)

  var isSet: Bool { flag.load(ordering: .relaxed) }

  func set(_ error: any Error) {
    failure.withLock { if $0 == nil { $0 = error } }
    flag.store(true, ordering: .relaxed)
  }

  func throwIfSet() throws {
    if let failure = failure.withLock({ $0 }) { throw failure }
  }
}

/// Carries an object from the thread that filled it to the one that reads it.
struct SendableBox<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}

extension KeyedBlock {
  /// Appends every row.
  func append(to writer: borrowing PartitionWriter) throws {
    let text = text
    for row in rows {
      let key = text + Int(row.offset)
      let count = Int(row.count)
      try writer.append(
        key, count: count, groupCount: Int(row.groupCount),
        hash: hash64(key, count: count), row.value)
    }
  }
}
