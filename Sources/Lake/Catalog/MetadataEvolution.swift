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
      if let past = update.rollsBackTo {
        restoreColumns(&metadata, of: past)
      } else {
        try setSchema(&metadata, update, isNew: base == nil)
        try setSpec(&metadata, update.partitionBy, isNew: base == nil)
        try setSort(&metadata, update.sort)
      }
    } catch {
      throw LakeError(
        error.code, error.message, at: Place(model: id.description), advice: error.advice)
    }
    let known = metadata[property: NameMapping.property].flatMap(NameMapping.init(parsing:))
    metadata[property: NameMapping.property] =
      (known?.following(metadata.schema) ?? NameMapping(metadata.schema)).json.description
    for (key, value) in update.properties.sorted(by: { $0.key < $1.key }) {
      metadata[property: key] = value
    }
    return metadata
  }

  /// Makes the columns of a past snapshot the current ones, under the IDs they have in its files.
  private static func restoreColumns(_ metadata: inout TableMetadata, of snapshot: Int64) {
    if let id = metadata.snapshot(snapshot)?.schemaID,
      metadata.schemas.contains(where: { $0.id == id })
    {
      metadata.currentSchemaID = id
    }
    let ids = Set(metadata.schema.fields.map(\.id))
    // A partition or sort order of columns that were not there yet cannot be the default one.
    if !metadata.partitionSpec.fields.allSatisfy({ ids.contains($0.sourceID) }) {
      let fitting = metadata.partitionSpecs.filter { spec in
        spec.fields.allSatisfy { ids.contains($0.sourceID) }
      }
      if let spec = fitting.max(by: { $0.id < $1.id }) {
        metadata.defaultSpecID = spec.id
      } else {
        let spec = PartitionSpec(
          id: (metadata.partitionSpecs.map(\.id).max() ?? -1) + 1, fields: [])
        metadata.partitionSpecs.append(spec)
        metadata.defaultSpecID = spec.id
      }
    }
    if !metadata.sortOrder.fields.allSatisfy({ ids.contains($0.sourceID) }) {
      if !metadata.sortOrders.contains(.unsorted) { metadata.sortOrders.append(.unsorted) }
      metadata.defaultSortOrderID = SortOrder.unsorted.id
    }
  }

  private static func setSchema(
    _ metadata: inout TableMetadata, _ update: TableUpdate, isNew: Bool
  ) throws(LakeError) {
    var schema = try SchemaEvolution.evolve(
      metadata.schema, to: update.schema, lastColumnID: &metadata.lastColumnID,
      replacesAllRows: update.replacesAllRows)
    // Tables know names by their IDs.
    for index in schema.fields.indices { schema.fields[index].formerNames = [] }
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
      guard column.transform.applies(to: source.type) else {
        throw LakeError(
          .invalid,
          "the table cannot be partitioned by \(column): '\(source.name)' is \(source.type)",
          advice: "year, month, day and hour need times, truncate numbers or text")
      }
      let known = metadata.partitionSpecs.flatMap(\.fields).first {
        $0.sourceID == source.id && $0.transform == column.transform
      }
      var fieldID = known?.id
      if fieldID == nil {
        metadata.lastPartitionID += 1
        fieldID = metadata.lastPartitionID
      }
      let taken = Set(fields.map(\.name)).union(
        metadata.schema.fields.filter { $0.id != source.id || column.transform != .identity }
          .map(\.name))
      fields.append(
        .init(
          sourceID: source.id, id: fieldID!,
          name: known?.name ?? uniqueName(column.fieldName, taken), transform: column.transform))
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

  /// No two partition fields have one name, nor has one that of another column.
  private static func uniqueName(_ name: String, _ taken: Set<String>) -> String {
    guard taken.contains(name) else { return name }
    return (2...).lazy.map { "\(name)_\($0)" }.first { !taken.contains($0) } ?? name
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
