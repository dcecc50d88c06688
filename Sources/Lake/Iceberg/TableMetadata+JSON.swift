import Core

extension TableMetadata {
  /// Parses a metadata file.
  ///
  /// - Throws: `LakeError` `.damaged` or `.unsupported`, naming `file`.
  public init(parsing bytes: [UInt8], file: String) throws(LakeError) {
    let json: JSON
    do {
      json = try JSON(parsing: bytes)
    } catch {
      throw LakeError(
        .damaged, "the table's metadata is \(error.message)",
        at: Place(file: file, line: error.line, column: error.column),
        advice: "restore the file from a copy")
    }
    do {
      try self.init(json: json)
    } catch {
      throw LakeError(
        error.code, error.message, at: Place(file: file),
        advice: error.advice ?? "restore the file from a copy")
    }
  }

  private init(json: JSON) throws(LakeError) {
    func integer(_ key: String) throws(LakeError) -> Int64 {
      guard let value = json[key]?.integer else {
        throw LakeError(.damaged, "the table's metadata has no number '\(key)'")
      }
      return value
    }
    func text(_ key: String) throws(LakeError) -> String {
      guard let value = json[key]?.string else {
        throw LakeError(.damaged, "the table's metadata has no text '\(key)'")
      }
      return value
    }
    let version = try integer("format-version")
    guard version == 1 || version == 2 else {
      throw LakeError(
        .unsupported,
        "the table has Iceberg format version \(version); Sluice reads versions 1 and 2")
    }
    let isFirst = version == 1
    uuid = isFirst ? json["table-uuid"]?.string ?? Nonce.uuid() : try text("table-uuid")
    location = try text("location")
    while location.count > 1, location.hasSuffix("/") { location.removeLast() }
    lastSequenceNumber = isFirst ? 0 : try integer("last-sequence-number")
    lastUpdatedMilliseconds = try integer("last-updated-ms")
    lastColumnID = Int(try integer("last-column-id"))
    currentSchemaID = Int(json["current-schema-id"]?.integer ?? 0)
    defaultSpecID = Int(json["default-spec-id"]?.integer ?? 0)
    defaultSortOrderID = Int(json["default-sort-order-id"]?.integer ?? 0)
    schemas = []
    // The first version's writers may give one schema and one spec, without IDs.
    for item in json["schemas"]?.array ?? json["schema"].map({ [$0] }) ?? [] {
      schemas.append(
        SchemaEntry(
          id: Int(item["schema-id"]?.integer ?? 0), schema: try SchemaJSON.read(item),
          identifierFieldIDs: (item["identifier-field-ids"]?.array ?? [])
            .compactMap { $0.integer.map { Int($0) } }))
    }
    partitionSpecs = []
    let onlySpec = json["partition-spec"].map { JSON.object([.init("fields", $0)]) }
    for item in json["partition-specs"]?.array ?? onlySpec.map({ [$0] }) ?? [] {
      partitionSpecs.append(try PartitionSpec(json: item))
    }
    let highest = partitionSpecs.flatMap(\.fields).map(\.id).max() ?? 999
    lastPartitionID = max(highest, Int(json["last-partition-id"]?.integer ?? 999))
    sortOrders = []
    for item in json["sort-orders"]?.array ?? [] { sortOrders.append(try SortOrder(json: item)) }
    if sortOrders.isEmpty { sortOrders = [.unsorted] }
    properties = (json["properties"]?.members ?? []).compactMap { member in
      member.value.string.map { .init(member.name, $0) }
    }
    snapshots = []
    for item in json["snapshots"]?.array ?? [] { snapshots.append(try Snapshot(json: item)) }
    // Java wrote -1 for "none".
    let current = json["current-snapshot-id"]?.integer
    currentSnapshotID = current == -1 ? nil : current
    snapshotLog = TableMetadata.log(json["snapshot-log"], subject: "snapshot-id")
    metadataLog = TableMetadata.log(json["metadata-log"], subject: "metadata-file")
    otherReferences = (json["refs"]?.members ?? []).filter { $0.name != "main" }
    unknown = (json.members ?? []).filter { !TableMetadata.knownKeys.contains($0.name) }
    guard schemas.contains(where: { $0.id == currentSchemaID }) else {
      throw LakeError(.damaged, "the current schema \(currentSchemaID) is not in the metadata")
    }
    guard partitionSpecs.contains(where: { $0.id == defaultSpecID }) else {
      throw LakeError(.damaged, "the partition spec \(defaultSpecID) is not in the metadata")
    }
    if let currentSnapshotID, snapshot(currentSnapshotID) == nil {
      throw LakeError(.damaged, "the snapshot \(currentSnapshotID) is not in the metadata")
    }
  }

  private static let knownKeys: Set<String> = [
    "format-version", "table-uuid", "location", "last-sequence-number", "last-updated-ms",
    "last-column-id", "current-schema-id", "schemas", "default-spec-id", "partition-specs",
    "last-partition-id", "default-sort-order-id", "sort-orders", "properties",
    "current-snapshot-id", "snapshots", "snapshot-log", "metadata-log", "refs", "schema",
    "partition-spec",
  ]

  private static func log(_ json: JSON?, subject: String) -> [LogEntry] {
    (json?.array ?? []).compactMap { item in
      guard let time = item["timestamp-ms"]?.integer, let value = item[subject] else {
        return nil
      }
      return LogEntry(timestampMilliseconds: time, subject: value)
    }
  }

  /// The metadata as Iceberg's JSON.
  public var json: JSON {
    var members: [JSON.Member] = [
      .init("format-version", 2), .init("table-uuid", .string(uuid)),
      .init("location", .string(location)),
      .init("last-sequence-number", .integer(lastSequenceNumber)),
      .init("last-updated-ms", .integer(lastUpdatedMilliseconds)),
      .init("last-column-id", .integer(Int64(lastColumnID))),
      .init("current-schema-id", .integer(Int64(currentSchemaID))),
      .init(
        "schemas",
        .array(
          schemas.map {
            SchemaJSON.write($0.schema, id: $0.id, identifiers: $0.identifierFieldIDs)
          })),
      .init("default-spec-id", .integer(Int64(defaultSpecID))),
      .init("partition-specs", .array(partitionSpecs.map(\.json))),
      .init("last-partition-id", .integer(Int64(lastPartitionID))),
      .init("default-sort-order-id", .integer(Int64(defaultSortOrderID))),
      .init("sort-orders", .array(sortOrders.map(\.json))),
      .init("properties", .object(properties.map { .init($0.key, .string($0.value)) })),
    ]
    var references = otherReferences
    if let currentSnapshotID {
      members.append(.init("current-snapshot-id", .integer(currentSnapshotID)))
      references.insert(
        .init("main", ["snapshot-id": .integer(currentSnapshotID), "type": "branch"]), at: 0)
    }
    members += [
      .init("refs", .object(references)), .init("snapshots", .array(snapshots.map(\.json))),
      .init("snapshot-log", TableMetadata.json(snapshotLog, subject: "snapshot-id")),
      .init("metadata-log", TableMetadata.json(metadataLog, subject: "metadata-file")),
    ]
    return .object(members + unknown)
  }

  private static func json(_ log: [LogEntry], subject: String) -> JSON {
    .array(
      log.map { entry in
        .object([
          .init("timestamp-ms", .integer(entry.timestampMilliseconds)),
          .init(subject, entry.subject),
        ])
      })
  }
}

extension PartitionSpec {
  init(json: JSON) throws(LakeError) {
    var fields: [Field] = []
    for item in json["fields"]?.array ?? [] {
      guard let source = item["source-id"]?.integer, let name = item["name"]?.string,
        let transform = item["transform"]?.string
      else { throw LakeError(.damaged, "a partition field lacks source-id, name or transform") }
      fields.append(
        Field(
          sourceID: Int(source), id: Int(item["field-id"]?.integer ?? Int64(1000 + fields.count)),
          name: name, transform: Transform(transform)))
    }
    self.init(id: Int(json["spec-id"]?.integer ?? 0), fields: fields)
  }

  var json: JSON { ["spec-id": .integer(Int64(id)), "fields": fieldsJSON] }

  /// The fields alone, as manifests' headers hold them.
  var fieldsJSON: JSON {
    .array(
      fields.map { field in
        [
          "source-id": .integer(Int64(field.sourceID)), "field-id": .integer(Int64(field.id)),
          "name": .string(field.name), "transform": .string(field.transform.description),
        ]
      })
  }
}

extension SortOrder {
  init(json: JSON) throws(LakeError) {
    var fields: [Field] = []
    for item in json["fields"]?.array ?? [] {
      guard let source = item["source-id"]?.integer, let transform = item["transform"]?.string
      else { throw LakeError(.damaged, "a sort field lacks source-id or transform") }
      fields.append(
        Field(
          sourceID: Int(source), transform: Transform(transform),
          isDescending: item["direction"]?.string == "desc",
          isNullsFirst: item["null-order"]?.string != "nulls-last"))
    }
    self.init(id: Int(json["order-id"]?.integer ?? 0), fields: fields)
  }

  var json: JSON {
    [
      "order-id": .integer(Int64(id)),
      "fields": .array(
        fields.map { field in
          [
            "transform": .string(field.transform.description),
            "source-id": .integer(Int64(field.sourceID)),
            "direction": field.isDescending ? "desc" : "asc",
            "null-order": field.isNullsFirst ? "nulls-first" : "nulls-last",
          ]
        }),
    ]
  }
}
