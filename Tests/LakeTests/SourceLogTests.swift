import Core
import Stores
import TestSupport
import Testing

@testable import Lake

@Suite("Source logs")
struct SourceLogTests {
  private let scratch = ScratchLake()
  private let clock = ManualClock().clock

  private func log(
    _ store: (any Store)? = nil, limits: BatchLimits = .standard, checkpointEvery: Int = 100
  ) -> SourceLog {
    SourceLog(
      store: store ?? scratch.store, pipeline: "p", source: "s", limits: limits,
      entriesPerCheckpoint: checkpointEvery)
  }

  private func listed(_ key: String, _ version: Int = 1, size: Int64 = 10) -> ListedFile {
    ListedFile(key: key, byteCount: size, version: "v\(version)")
  }

  private func added(_ keys: [String]) -> [FileChange] {
    keys.map { FileChange(.added, listed($0)) }
  }

  @Test(
    "random additions, changes and removals agree with a dictionary",
    arguments: 1...6 as ClosedRange<UInt64>)
  func againstDictionary(_ seed: UInt64) throws {
    var random = Seeded(seed)
    let log = log(limits: BatchLimits(fileCount: 3, byteCount: 1000), checkpointEvery: 7)
    // Keys that sort differently by bytes, by Unicode and with a quote to escape.
    let names =
      (0..<40).map { "k\($0 * 7919 % 101)" } + [
        "é", "e\u{301}", "z", "Z", "a\"b", "a\\b", "a\nb", "🙂",
      ]
    var model: [[UInt8]: ListedFile] = [:]
    var state = LogState.empty
    for _ in 0..<30 {
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        let name = names.randomElement(using: &random)!
        if Int.random(in: 0..<3, using: &random) == 0 {
          model[Array(name.utf8)] = nil
        } else {
          model[Array(name.utf8)] = ListedFile(
            key: name, byteCount: Int64.random(in: 0...900, using: &random),
            version: "v\(Int.random(in: 0...3, using: &random))",
            interval: Bool.random(using: &random)
              ? hour(Int.random(in: 0...5, using: &random)) : nil)
        }
      }
      let listing = model.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
      let changes = try state.diff(listing: listing)
      state = try log.append(changes, after: state, definition: "d\(seed)", clock: clock)
      #expect(state.files.map(\.file) == listing)
      let read = try log.read()
      #expect(read.files.elementsEqual(state.files))
      #expect(read.number == state.number)
      #expect(try read.diff(listing: listing).isEmpty)
      for file in listing { #expect(state[file.key]?.file == file) }
    }
    #expect(state.definition == "d\(seed)")
    #expect(state["nowhere"] == nil)
    #expect(try scratch.keys().contains { $0.contains("checkpoint-") })
    // Each file's batch is the entry that changed it last.
    for file in state.files {
      let batch = try log.batch(file.batch)
      #expect(batch.changes.contains { $0.file == file.file && $0.kind != .removed })
    }
  }

  @Test("a state knows its newest changes before its files are put together, and after")
  func newestChanges() throws {
    let log = log()
    var state = try log.append(
      added((0..<50).map { "k\(10 + $0)" }), after: .empty, definition: "d", clock: clock)
    state = try log.append(
      [
        FileChange(.changed, listed("k10", 2)), FileChange(.removed, listed("k20")),
        FileChange(.added, listed("k205")), FileChange(.added, listed("z")),
      ], after: state, definition: "d", clock: clock)
    func check() {
      #expect(state["k10"]?.version == "v2" && state.batch(of: "k10") == 2)
      #expect(state["k20"] == nil && state.batch(of: "k20") == nil)
      #expect(state["k205"]?.version == "v1" && state.batch(of: "z") == 2)
      #expect(state["k11"]?.version == "v1" && state.batch(of: "k11") == 1)
      #expect(state["k"] == nil && state["zz"] == nil)
    }
    check()
    #expect(state.files.count == 51)
    check()
    #expect(try log.read().files.elementsEqual(state.files))
  }

  @Test("rule 1: the second of two writers gets a conflict, and a new listing makes it right")
  func conflict() throws {
    let log = log()
    let head = try log.read()
    _ = try log.append(added(["a", "b"]), after: head, definition: "d", clock: clock)
    // It listed before the winner's files were there, so its diff would remove them.
    expectFailure(.conflict) {
      try log.append(added(["a"]), after: head, definition: "d", clock: clock)
    }
    let state = try log.read()
    #expect(state.files.map(\.key) == ["a", "b"])
    #expect(state.number == 1)
  }

  @Test(
    "rule 1: a writer whose answer was lost knows its own entry",
    arguments: [Fault.lostAnswer, .refusedAfterSuccess])
  func ownEntry(_ fault: Fault) throws {
    let store = FaultyStore(scratch.store) { _, key, _ in
      key.hasSuffix("01.jsonl.zst") ? fault : .none
    }
    let state = try log(store).append(added(["a"]), after: .empty, definition: "d", clock: clock)
    #expect(state.number == 1)
    #expect(try log().read().files.map(\.key) == ["a"])
  }

  @Test("rule 1: a request that was lost is no append")
  func lostRequest() throws {
    let store = FaultyStore(scratch.store) { _, _, _ in .lostRequest }
    expectFailure(.ambiguous) {
      try log(store).append(added(["a"]), after: .empty, definition: "d", clock: clock)
    }
    #expect(try log().read().number == 0)
  }

  @Test("rule 2: a changed size, version or interval is a change; equal ones are none")
  func changes() throws {
    let file = ListedFile(key: "k", byteCount: 1, version: "v", interval: hour(0))
    let state = LogState.empty.applying(
      [SourceBatch(number: 1, changes: [FileChange(.added, file)])], definition: "d")
    #expect(try state.diff(listing: [file]).isEmpty)
    for change in [
      ListedFile(key: "k", byteCount: 2, version: "v", interval: hour(0)),
      ListedFile(key: "k", byteCount: 1, version: "w", interval: hour(0)),
      ListedFile(key: "k", byteCount: 1, version: "v", interval: hour(1)),
    ] {
      #expect(try state.diff(listing: [change]) == [FileChange(.changed, change)])
    }
    #expect(try state.diff(listing: []) == [FileChange(.removed, file)])
    // An interval source looks at some intervals only.
    #expect(try state.diff(listing: [], isComplete: false).isEmpty)
  }

  @Test("rule 3: files are found by interval")
  func intervals() throws {
    let changes = (0..<6).map { number in
      FileChange(
        .added,
        ListedFile(key: "k\(number)", byteCount: 1, version: "v", interval: hour(number / 2)))
    }
    let state = try log().append(changes, after: .empty, definition: "d", clock: clock)
    #expect(state.files(of: hour(1)).map(\.key) == ["k2", "k3"])
    #expect(
      try log().read().filesByInterval().mapValues(\.count) == [hour(0): 2, hour(1): 2, hour(2): 2])
  }

  @Test("rule 4: batches hold at most so many files and bytes, and plan numbers them the same way")
  func batches() throws {
    let limits = BatchLimits(fileCount: 3, byteCount: 100)
    let changes =
      (0..<7).map { FileChange(.added, listed("k\($0)")) } + [
        FileChange(.added, listed("l", size: 95)), FileChange(.removed, listed("m", size: 5000)),
        FileChange(.added, listed("n", size: 400)), FileChange(.added, listed("o")),
      ]
    let planned = LogState.empty.batches(of: changes, limits: limits)
    #expect(planned.map(\.changes.count) == [3, 3, 1, 2, 1, 1])
    #expect(planned.map(\.number) == [1, 2, 3, 4, 5, 6])
    #expect(planned.map(\.byteCount) == [30, 30, 10, 95, 400, 10])
    #expect(try scratch.keys().isEmpty)
    let state = try log(limits: limits).append(
      changes, after: .empty, definition: "d", clock: clock)
    #expect(state.number == 6)
    for batch in planned { #expect(try log().batch(batch.number).changes == batch.changes) }
  }

  @Test("rule 4: reading starts at the newest checkpoint")
  func checkpoints() throws {
    let log = log(checkpointEvery: 5)
    var state = LogState.empty
    for number in 1...12 {
      state = try log.append(added(["k\(number)"]), after: state, definition: "d", clock: clock)
    }
    let prefix = LakeLayout.sourcePrefix(pipeline: "p", source: "s")
    #expect(
      try scratch.keys(prefix + "checkpoint-").map { $0.suffix(18) }
        == ["00000005.jsonl.zst", "00000010.jsonl.zst"])
    // Nobody begins with the first any more.
    #expect(try log.oldCheckpoints().map { $0.key.suffix(18) } == ["00000005.jsonl.zst"])
    // What a checkpoint holds is not read again.
    try scratch.store.delete((1...10).map { prefix + SourceLog.entryName($0) })
    #expect(try log.read().files.elementsEqual(state.files))
    // An entry after it is needed.
    try scratch.store.delete([prefix + SourceLog.entryName(11)])
    expectFailure(.missing) { try log.read() }
  }

  @Test("rule 4: a large checkpoint is made of blocks, and each unpacks alone")
  func blocks() throws {
    let changes = (0..<20_000).map { FileChange(.added, listed("key-\(String(100_000 + $0))")) }
    let state = try log(limits: BatchLimits(fileCount: 5000, byteCount: .max), checkpointEvery: 4)
      .append(changes, after: .empty, definition: "d", clock: clock)
    let key = LakeLayout.sourcePrefix(pipeline: "p", source: "s") + "checkpoint-00000004.jsonl.zst"
    let bytes = try #require(try scratch.store.get(key)).bytes
    let blocks = try #require(SeekableZstd.blocks(of: bytes))
    #expect(blocks.count == 5)
    let last = try Packing.unzstd(Array(bytes[blocks[4]]))
    #expect(String(decoding: last, as: UTF8.self).contains("\"key-119999\""))
    // The whole unpacks as one file, too.
    #expect(try Packing.unzstd(bytes).count { $0 == 10 } == 20_001)
    let read = try log().read()
    #expect(read.files.count == 20_000)
    #expect(read["key-112345"]?.batch == 3)
    #expect(read.byteCount == state.byteCount)
  }

  @Test("rule 5: more removals than max_removed need leave")
  func removals() throws {
    let files = (0..<10).map { listed("k\($0)") }
    let state = LogState.empty.applying(
      [SourceBatch(number: 1, changes: files.map { FileChange(.added, $0) })], definition: "d")
    func check(_ keep: Int, allows: Bool = false, definition: String = "d", share: Double = 0.2)
      throws
    {
      try RemovalGuard.check(
        state.diff(listing: Array(files[..<keep])), against: state, source: "s",
        definition: definition, maxRemoved: share, allowsRemovals: allows)
    }
    try check(10)
    try check(8)
    let failure = expectFailure(.tooManyRemovals) { try check(7) }
    #expect(failure?.advice?.contains("--allow-removals") == true)
    #expect(failure?.message.contains("30 %") == true)
    expectFailure(.tooManyRemovals) { try check(0) }
    try check(0, allows: true)
    try check(5, share: 0.5)
    let narrowed = expectFailure(.tooManyRemovals) { try check(0, definition: "other") }
    #expect(narrowed?.message.contains("definition has changed") == true)
  }

  @Test("a listing out of order is refused", arguments: [["b", "a"], ["a", "a"], ["é", "z"]])
  func order(_ keys: [String]) {
    expectFailure(.invalid) { try LogState.empty.diff(listing: keys.map { listed($0) }) }
  }

  @Test("damaged entries name their file", arguments: [0, 1, 5, 40])
  func damaged(_ cut: Int) throws {
    _ = try log().append(added(["a", "b"]), after: .empty, definition: "d", clock: clock)
    let key = LakeLayout.sourcePrefix(pipeline: "p", source: "s") + "00000001.jsonl.zst"
    let bytes = try #require(try scratch.store.get(key)).bytes
    _ = try scratch.store.put(key, .bytes(Array(bytes.dropLast(cut + 1))), .always)
    #expect(expectFailure(.damaged) { try log().read() }?.place.file == scratch.store.uri(key))
  }

  @Test(
    "lines that Sluice does not write are damaged, with their number",
    arguments: [
      "{\"op\":\"added\",\"key\":\"a\",\"size\":1}\n",
      "{\"op\":\"gone\",\"key\":\"a\",\"size\":1,\"version\":\"v\"}\n",
      "{\"op\":\"added\",\"key\":\"a\",\"size\":99999999999999999999,\"version\":\"v\"}\n",
      "nonsense\n",
      "{\"op\":\"added\",\"key\":\"a\",\"size\":1,\"version\":\"v\"}",
    ])
  func badLines(_ line: String) throws {
    let header =
      "{\"format\":1,\"kind\":\"entry\",\"number\":1,\"nonce\":\"n\",\"definition\":\"d\",\"files\":1}\n"
    let key = LakeLayout.sourcePrefix(pipeline: "p", source: "s") + "00000001.jsonl.zst"
    _ = try scratch.store.put(key, .bytes(Packing.zstd(Array((header + line).utf8))), .always)
    #expect(expectFailure(.damaged) { try log().read() }?.place.line == 2)
  }

  @Test("a log of a later format is refused")
  func laterFormat() throws {
    let key = LakeLayout.sourcePrefix(pipeline: "p", source: "s") + "00000001.jsonl.zst"
    let text = "{\"format\":2,\"number\":1,\"files\":0}\n"
    _ = try scratch.store.put(key, .bytes(Packing.zstd(Array(text.utf8))), .always)
    expectFailure(.unsupported) { try log().read() }
  }

  @Test("eight threads append to one log: every file is there, no number twice")
  func concurrentAppends() throws {
    let log = log(limits: BatchLimits(fileCount: 2, byteCount: .max), checkpointEvery: 4)
    let clock = clock
    let results = concurrently(Array(0..<8), limit: 8) { writer in
      while true {
        let state = try log.read()
        let files = (0..<5).map { ListedFile(key: "w\(writer)-\($0)", byteCount: 1, version: "v") }
        // Rule 1: list after the head was read; what others logged stays.
        let changes = files.filter { state[$0.key] == nil }.map { FileChange(.added, $0) }
        if changes.isEmpty { return }
        do {
          _ = try log.append(changes, after: state, definition: "d", clock: clock)
        } catch let error as LakeError where error.code == .conflict {
          continue
        }
      }
    }
    for result in results { try result.get() }
    let state = try log.read()
    #expect(state.files.count == 40)
    var seen: [String: Int] = [:]
    for number in 1...state.number {
      for change in try log.batch(number).changes { seen[change.file.key, default: 0] += 1 }
    }
    #expect(seen.count == 40)
    #expect(seen.values.allSatisfy { $0 == 1 })
  }
}
