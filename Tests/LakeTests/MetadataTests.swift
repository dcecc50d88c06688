import Core
import Testing

@testable import Lake

@Suite("Table metadata")
struct MetadataTests {
  private let scratch = ScratchLake()
  private let id = TableID("p", "m")

  @Test("keys that Sluice does not know are kept, and the rest comes back as it was")
  func roundTrip() throws {
    let lake = scratch.lake
    let table = try lake.catalog.commit(
      replacing(hour(0), with: [file(lake, id, hour(0))]), to: id, base: nil)
    guard case .object(var members) = table.metadata.json else {
      Issue.record("no object")
      return
    }
    members.append(.init("statistics", [["snapshot-id": 1]]))
    for index in members.indices where members[index].name == "refs" {
      guard case .object(var refs) = members[index].value else { continue }
      refs.append(.init("kept", ["snapshot-id": 5, "type": "tag", "max-ref-age-ms": 7]))
      members[index].value = .object(refs)
    }
    let text = Array(JSON.object(members).description.utf8)
    let parsed = try TableMetadata(parsing: text, file: "v1.metadata.json")
    #expect(parsed.unknown.map(\.name) == ["statistics"])
    #expect(parsed.otherReferences.map(\.name) == ["kept"])
    #expect(parsed.snapshots == table.metadata.snapshots)
    #expect(parsed.schemas == table.metadata.schemas)
    #expect(parsed.properties == table.metadata.properties)
    let again = try TableMetadata(parsing: Array(parsed.json.description.utf8), file: "x")
    #expect(again == parsed)
  }

  @Test("every type survives Iceberg's schema JSON")
  func schemas() throws {
    let schema = Schema([
      Field(name: "a", type: .decimal(precision: 38, scale: 10), isRequired: true),
      Field(name: "b", type: .list(element: Field(name: "element", type: .uuid, isRequired: true))),
      Field(
        name: "c",
        type: .map(
          key: Field(name: "key", type: .int, isRequired: true),
          value: Field(name: "value", type: .structure([Field(name: "x", type: .time)])))),
      Field(name: "d", type: .timestamptz, documentation: "when"),
    ]).withFreshIDs()
    #expect(try SchemaJSON.read(SchemaJSON.write(schema, id: 3)) == schema)
  }

  @Test("metadata of another format version is refused", arguments: [0, 3, 4])
  func otherVersions(_ version: Int) {
    let text = Array("{\"format-version\": \(version)}".utf8)
    let failure = expectFailure(.unsupported) { try TableMetadata(parsing: text, file: "/f") }
    #expect(failure?.place.file == "/f")
  }

  @Test(
    "damaged metadata names file and place", arguments: ["", "{", "[]", "{\"format-version\":2}"])
  func damaged(_ text: String) {
    let failure = expectFailure(.damaged) {
      try TableMetadata(parsing: Array(text.utf8), file: "/lake/v1.metadata.json")
    }
    #expect(failure?.place.file == "/lake/v1.metadata.json")
  }

  @Test("the metadata log stays bounded")
  func boundedLog() throws {
    let lake = scratch.lake
    var table: Table?
    for number in 0..<8 {
      var update = replacing(hour(number), with: [])
      update.properties["write.metadata.previous-versions-max"] = "3"
      table = try lake.catalog.commit(update, to: id, base: table)
    }
    let log = try #require(table?.metadata.metadataLog)
    #expect(log.count == 3)
    #expect(log.last?.subject.string?.hasSuffix("/v7.metadata.json") == true)
    #expect(table?.metadata.snapshotLog.count == 8)
  }
}

@Suite("Schema evolution")
struct SchemaEvolutionTests {
  private func evolve(
    _ current: Schema, _ desired: Schema, replacesAllRows: Bool = false
  ) throws -> (Schema, Int) {
    var last = current.highestID
    let schema = try SchemaEvolution.evolve(
      current, to: desired, lastColumnID: &last, replacesAllRows: replacesAllRows)
    return (schema, last)
  }

  @Test("a new table is numbered level by level")
  func fresh() throws {
    let schema = Schema([
      Field(
        name: "a",
        type: .structure([
          Field(name: "x", type: .int),
          Field(name: "y", type: .list(element: Field(name: "element", type: .int))),
        ])), Field(name: "b", type: .string, isRequired: true),
    ])
    #expect(try evolve(Schema([]), schema).0 == schema.withFreshIDs())
  }

  @Test("names keep their IDs, new ones get fresh ones, dropped ones are never used again")
  func keepsIDs() throws {
    let start = Schema([Field(name: "a", type: .int), Field(name: "b", type: .float)])
      .withFreshIDs()
    let (second, last) = try evolve(
      start, Schema([Field(name: "c", type: .string), Field(name: "b", type: .double)]))
    #expect(second.fields.map(\.id) == [3, 2])
    #expect(second["b"]?.type == .double)
    #expect(last == 3)
    var next = last
    let third = try SchemaEvolution.evolve(
      second, to: Schema([Field(name: "a", type: .int)]), lastColumnID: &next,
      replacesAllRows: false)
    #expect(third.fields.map(\.id) == [4])
  }

  @Test("nested fields are matched by name, too")
  func nested() throws {
    let start = Schema([
      Field(
        name: "s",
        type: .structure([Field(name: "x", type: .int), Field(name: "y", type: .string)])),
      Field(
        name: "m",
        type: .map(key: Field(name: "key", type: .string), value: Field(name: "value", type: .int))),
    ]).withFreshIDs()
    let (evolved, _) = try evolve(
      start,
      Schema([
        Field(
          name: "s",
          type: .structure([Field(name: "z", type: .date), Field(name: "x", type: .bigint)])),
        Field(
          name: "m",
          type: .map(
            key: Field(name: "key", type: .string), value: Field(name: "value", type: .bigint))),
      ]))
    guard case .structure(let fields) = evolved["s"]?.type,
      case .map(let key, let value) = evolved["m"]?.type
    else {
      Issue.record("the types changed")
      return
    }
    #expect(fields.map(\.id) == [7, 3])
    #expect([key.id, value.id] == [5, 6])
  }

  static let forbidden: [(FieldType, FieldType)] = [
    (.bigint, .int), (.double, .float), (.int, .string), (.string, .int), (.date, .timestamp),
    (.decimal(precision: 9, scale: 2), .decimal(precision: 9, scale: 3)),
    (.decimal(precision: 9, scale: 2), .decimal(precision: 8, scale: 2)),
    (.int, .list(element: Field(name: "element", type: .int))), (.timestamp, .timestamptz),
  ]

  @Test("other changes of type are errors, all named", arguments: forbidden.indices)
  func forbiddenChanges(_ index: Int) throws {
    let (old, new) = SchemaEvolutionTests.forbidden[index]
    let start = Schema([Field(name: "a", type: old), Field(name: "b", type: old)]).withFreshIDs()
    let desired = Schema([Field(name: "a", type: new), Field(name: "b", type: new)])
    let failure = expectFailure(.incompatibleSchema) { try evolve(start, desired) }
    #expect(failure?.message.contains("'a'") == true)
    #expect(failure?.message.contains("'b'") == true)
    // A rebuild replaces every row, so the column is a new one of the same name.
    let (rebuilt, _) = try evolve(start, desired, replacesAllRows: true)
    #expect(rebuilt.fields.map(\.name) == ["a", "b"])
    #expect(Set(rebuilt.fields.map(\.id)).isDisjoint(with: [1, 2]))
  }
}
