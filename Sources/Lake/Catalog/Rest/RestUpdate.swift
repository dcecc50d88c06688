import Core

/// One commit as a REST catalog takes it: what must still hold, and what changes.
enum RestUpdate {
  static func body(_ id: TableID, from base: TableMetadata, to next: TableMetadata) -> JSON {
    [
      "identifier": [
        "namespace": [.string(id.pipeline)], "name": .string(id.model),
      ],
      "requirements": .array(requirements(base, next)), "updates": .array(updates(base, next)),
    ]
  }

  /// All that the commit was decided upon, not only the rows: who changes columns or partitions
  /// meanwhile conflicts, too.
  private static func requirements(_ base: TableMetadata, _ next: TableMetadata) -> [JSON] {
    // With a snapshot, a server drops the branches and tags that have come to name it meanwhile.
    let isExpiring = base.snapshots.contains { next.snapshot($0.id) == nil }
    let references = isExpiring ? base.otherReferences : []
    return [
      ["type": "assert-table-uuid", "uuid": .string(base.uuid)],
      [
        "type": "assert-ref-snapshot-id", "ref": "main",
        "snapshot-id": base.currentSnapshotID.map(JSON.integer) ?? .null,
      ],
      ["type": "assert-current-schema-id", "current-schema-id": integer(base.currentSchemaID)],
      [
        "type": "assert-last-assigned-field-id",
        "last-assigned-field-id": integer(base.lastColumnID),
      ],
      ["type": "assert-default-spec-id", "default-spec-id": integer(base.defaultSpecID)],
      [
        "type": "assert-default-sort-order-id",
        "default-sort-order-id": integer(base.defaultSortOrderID),
      ],
    ]
      + references.map { reference in
        [
          "type": "assert-ref-snapshot-id", "ref": .string(reference.name),
          "snapshot-id": reference.value["snapshot-id"] ?? .null,
        ]
      }
  }

  /// Whether what `body` requires of a table still holds, but for branches and tags.
  static func isSame(_ now: TableMetadata, _ base: TableMetadata) -> Bool {
    now.uuid == base.uuid && now.currentSnapshotID == base.currentSnapshotID
      && now.currentSchemaID == base.currentSchemaID && now.lastColumnID == base.lastColumnID
      && now.defaultSpecID == base.defaultSpecID
      && now.defaultSortOrderID == base.defaultSortOrderID
  }

  private static func updates(_ base: TableMetadata, _ next: TableMetadata) -> [JSON] {
    var updates: [JSON] = []
    for entry in next.schemas where !base.schemas.contains(entry) {
      updates.append([
        "action": "add-schema",
        "schema": SchemaJSON.write(
          entry.schema, id: entry.id, identifiers: entry.identifierFieldIDs),
        "last-column-id": integer(next.lastColumnID),
      ])
    }
    if next.currentSchemaID != base.currentSchemaID {
      updates.append(["action": "set-current-schema", "schema-id": integer(next.currentSchemaID)])
    }
    for spec in next.partitionSpecs where !base.partitionSpecs.contains(spec) {
      updates.append(["action": "add-spec", "spec": spec.json])
    }
    if next.defaultSpecID != base.defaultSpecID {
      updates.append(["action": "set-default-spec", "spec-id": integer(next.defaultSpecID)])
    }
    for order in next.sortOrders where !base.sortOrders.contains(order) {
      updates.append(["action": "add-sort-order", "sort-order": order.json])
    }
    if next.defaultSortOrderID != base.defaultSortOrderID {
      updates.append([
        "action": "set-default-sort-order", "sort-order-id": integer(next.defaultSortOrderID),
      ])
    }
    let changed = next.properties.filter { base[property: $0.key] != $0.value }
    if !changed.isEmpty {
      updates.append([
        "action": "set-properties",
        "updates": .object(changed.map { .init($0.key, .string($0.value)) }),
      ])
    }
    for snapshot in next.snapshots where base.snapshot(snapshot.id) == nil {
      updates.append(["action": "add-snapshot", "snapshot": snapshot.json])
    }
    if let current = next.currentSnapshotID, current != base.currentSnapshotID {
      updates.append([
        "action": "set-snapshot-ref", "ref-name": "main", "type": "branch",
        "snapshot-id": .integer(current),
      ])
    }
    let gone = base.snapshots.map(\.id).filter { next.snapshot($0) == nil }
    if !gone.isEmpty {
      updates.append(["action": "remove-snapshots", "snapshot-ids": .array(gone.map(JSON.integer))])
    }
    return updates
  }

  private static func integer(_ number: Int) -> JSON { .integer(Int64(number)) }
}
