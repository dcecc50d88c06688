import Core

/// How a commit changes a table's schema, partition spec, sort order and properties.
enum MetadataEvolution {
  /// The metadata that the commit starts from: the base's, or a new table's, brought up to what
  /// `update` declares; without the new snapshot.
  static func evolve(
    _ base: TableMetadata?, to update: TableUpdate, id: TableID, location: String
  ) throws(LakeError) -> TableMetadata {
    var metadata =
      base
      ?? TableMetadata(
        uuid: Nonce.uuid(), location: location, lastUpdatedMilliseconds: 0, lastColumnID: 0,
        schemas: [.init(id: 0, schema: Schema([]))], currentSchemaID: 0,
        partitionSpecs: [PartitionSpec(id: 0, fields: [])], defaultSpecID: 0,
        lastPartitionID: 999, sortOrders: [.unsorted], defaultSortOrderID: 0)
    do {
      try setSchema(&metadata, update, isNew: base == nil)
      try setSpec(&metadata, update.partitionBy, isNew: base == nil)
      try setSort(&metadata, update.sort)
    } catch {
      throw LakeError(
        error.code, error.message, at: Place(model: id.description), advice: error.advice)
    }
    metadata[property: "schema.name-mapping.default"] =
      SchemaJSON.nameMapping(metadata.schema).description
    for (key, value) in update.properties.sorted(by: { $0.key < $1.key }) {
      metadata[property: key] = value
    }
    return metadata
  }

  private static func setSchema(
    _ metadata: inout TableMetadata, _ update: TableUpdate, isNew: Bool
  ) throws(LakeError) {
    let schema = try SchemaEvolution.evolve(
      metadata.schema, to: update.schema, lastColumnID: &metadata.lastColumnID,
      replacesAllRows: update.replacesAllRows)
    // Files carry the IDs they were written with; a table that has moved on would read them wrong.
    if !update.added.isEmpty, let name = mismatch(update.schema.fields, schema.fields) {
      throw LakeError(
        .outdated, "column '\(name)' got another ID while the rows were computed",
        advice: "run again")
    }
    if isNew {
      metadata.schemas = [.init(id: 0, schema: schema)]
    } else if let known = metadata.schemas.first(where: {
      $0.schema == schema && $0.identifierFieldIDs.isEmpty
    }) {
      metadata.currentSchemaID = known.id
    } else {
      let id = (metadata.schemas.map(\.id).max() ?? -1) + 1
      metadata.schemas.append(.init(id: id, schema: schema))
      metadata.currentSchemaID = id
    }
  }

  /// The name of a field whose given ID is not the one it has.
  private static func mismatch(_ given: [Field], _ actual: [Field]) -> String? {
    for (a, b) in zip(given, actual) {
      if a.id != 0 && a.id != b.id { return a.name }
      let children: ([Field], [Field]) =
        switch (a.type, b.type) {
        case (.structure(let x), .structure(let y)): (x, y)
        case (.list(let x), .list(let y)): ([x], [y])
        case (.map(let k, let v), .map(let l, let w)): ([k, v], [l, w])
        default: ([], [])
        }
      if let name = mismatch(children.0, children.1) { return "\(a.name).\(name)" }
    }
    return nil
  }

  private static func setSpec(
    _ metadata: inout TableMetadata, _ columns: [PartitionColumn], isNew: Bool
  ) throws(LakeError) {
    var fields: [PartitionSpec.Field] = []
    for column in columns {
      guard let source = metadata.schema[column.column] else {
        throw LakeError(.invalid, "the partition column '\(column.column)' is not a column")
      }
      guard !source.type.isNested else {
        throw LakeError(
          .invalid, "the table cannot be partitioned by '\(column.column)', which is nested")
      }
      guard column.transform == .identity else {
        throw LakeError(
          .unsupported, "a table cannot be partitioned by \(column.transform) here",
          advice: "partition by a column that holds the value")
      }
      let known = metadata.partitionSpecs.flatMap(\.fields).first {
        $0.sourceID == source.id && $0.transform == column.transform
          && $0.name == column.fieldName
      }
      var fieldID = known?.id
      if fieldID == nil {
        metadata.lastPartitionID += 1
        fieldID = metadata.lastPartitionID
      }
      fields.append(
        .init(
          sourceID: source.id, id: fieldID!, name: column.fieldName,
          transform: column.transform))
    }
    if isNew {
      metadata.partitionSpecs = [PartitionSpec(id: 0, fields: fields)]
    } else if let known = metadata.partitionSpecs.first(where: { $0.fields == fields }) {
      metadata.defaultSpecID = known.id
    } else {
      let id = (metadata.partitionSpecs.map(\.id).max() ?? -1) + 1
      metadata.partitionSpecs.append(PartitionSpec(id: id, fields: fields))
      metadata.defaultSpecID = id
    }
  }

  private static func setSort(
    _ metadata: inout TableMetadata, _ columns: [SortColumn]
  ) throws(LakeError) {
    var fields: [SortOrder.Field] = []
    for column in columns {
      guard let source = metadata.schema[column.column] else {
        throw LakeError(.invalid, "the sort column '\(column.column)' is not a column")
      }
      fields.append(
        .init(
          sourceID: source.id, transform: .identity, isDescending: column.isDescending,
          isNullsFirst: true))
    }
    if let known = metadata.sortOrders.first(where: { $0.fields == fields }) {
      metadata.defaultSortOrderID = known.id
    } else {
      let id = (metadata.sortOrders.map(\.id).max() ?? 0) + 1
      metadata.sortOrders.append(SortOrder(id: id, fields: fields))
      metadata.defaultSortOrderID = id
    }
  }
}
