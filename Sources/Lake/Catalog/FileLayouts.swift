import Core
import Stores
import Synchronization

/// Finds out which files hold their columns otherwise than the table's schema says (rule 28): those
/// without field IDs, and those from before a nested column changed.
///
/// Files of Sluice's own engine, known by their names, carry the IDs they were written with, so that
/// their footers are read only where a nested column has changed.
struct FileLayouts {
  let table: Table
  private let mapping: NameMapping?
  private let hasChangedNesting: Bool

  init(_ table: Table) {
    self.table = table
    mapping = table.property(NameMapping.property).flatMap(NameMapping.init(parsing:))
    let current = table.schema.fields.filter(\.type.isNested)
    hasChangedNesting = current.contains { field in
      table.metadata.schemas.contains { entry in
        entry.schema.fields.contains { $0.id == field.id && $0.type != field.type }
      }
    }
  }

  /// Fills in the layouts of files that need one.
  ///
  /// - Throws: `LakeError` `.missing`, `.damaged`; `.unsupported` for a file without field IDs in a
  ///   table without a name mapping.
  func fill(_ files: inout [DataFile]) throws {
    let doubtful = files.indices.filter { index in
      !files[index].deletes.isEmpty || hasChangedNesting || !isOwn(files[index].path)
    }
    let footers = try concurrently(doubtful, limit: 16) { [files] index in
      try footer(of: files[index].path, byteCount: files[index].byteCount)
    }.map { try $0.get() }
    for (index, footer) in zip(doubtful, footers) {
      let layout = try resolved(footer, files[index].path)
      // Read by the IDs they do not carry, columns would all be null.
      let isUnnumbered = footer.highestID == 0
      guard
        isUnnumbered || !files[index].deletes.isEmpty
          || !FileLayouts.suits(layout, table.schema)
      else { continue }
      files[index].layout = layout
    }
  }

  /// The files that carry no field IDs.
  func unnumbered(_ files: [DataFile]) throws -> [DataFile] {
    let doubtful = files.filter { !isOwn($0.path) }
    let found = try concurrently(doubtful, limit: 16) { file in
      try footer(of: file.path, byteCount: file.byteCount).highestID == 0
    }.map { try $0.get() }
    return zip(doubtful, found).filter(\.1).map(\.0)
  }

  /// What a file holds, with the table's field IDs.
  func layout(of path: String, byteCount: Int64) throws -> Schema {
    try resolved(footer(of: path, byteCount: byteCount), path)
  }

  /// What a file holds, as it says itself.
  private func footer(of path: String, byteCount: Int64) throws -> Schema {
    if let known = FileLayouts.cache.withLock({ $0[path] }) { return known }
    let (store, key) = try table.locate(path)
    let schema = try ParquetFooter.schema(of: path, byteCount: byteCount, key: key, in: store)
    FileLayouts.cache.withLock { cache in
      // Data files never change; many tables with many files: keep the memory flat.
      if cache.count > 20_000 { cache.removeAll() }
      cache[path] = schema
    }
    return schema
  }

  private static let cache = Mutex<[String: Schema]>([:])

  private func resolved(_ schema: Schema, _ path: String) throws -> Schema {
    if schema.highestID > 0 { return schema }
    guard let mapping else {
      throw LakeError(
        .unsupported, "a data file has no field IDs, and the table has no name mapping",
        at: Place(file: path, model: table.id.description),
        advice: "set the table's property \(NameMapping.property) with the program that wrote it")
    }
    return mapping.applied(to: schema)
  }

  /// `<table>/data/<run>/…/part-<random>.parquet`: nobody else names files so.
  private func isOwn(_ path: String) -> Bool {
    let prefix = table.location + "/data/"
    guard path.hasPrefix(prefix) else { return false }
    let parts = path.dropFirst(prefix.count).split(separator: "/")
    guard parts.count >= 2, RunID(rawValue: String(parts[0])) != nil, let name = parts.last,
      name.hasPrefix("part-"), name.hasSuffix(".parquet")
    else { return false }
    let random = name.dropFirst(5).dropLast(8)
    return (random.utf8.count == 32 || random.utf8.count == 36)
      && random.allSatisfy { $0.isHexDigit || $0 == "-" }
  }

  /// Whether reading a file by the IDs of its columns gives the schema's values.
  private static func suits(_ layout: Schema, _ schema: Schema) -> Bool {
    schema.fields.allSatisfy { field in
      guard let found = layout.fields.first(where: { $0.id == field.id }) else { return true }
      return agrees(found.type, field.type)
    }
  }

  private static func agrees(_ found: FieldType, _ wanted: FieldType) -> Bool {
    if wanted.isNested {
      let (inside, outside) = (found.children, wanted.children)
      return inside.count == outside.count
        && zip(inside, outside).allSatisfy {
          $0.id == $1.id && $0.name == $1.name && agrees($0.type, $1.type)
        }
    }
    // Some write UUIDs as bare bytes.
    return wanted != .uuid || found == .uuid
  }
}

extension Table {
  /// The live files whose columns have names and no IDs: they have to be written again before a
  /// name stands for something else (rule 28). Nearly free where all files are Sluice's own.
  ///
  /// - Throws: `LakeError` `.missing`, `.damaged`.
  public func filesWithoutIDs() throws -> [DataFile] {
    try FileLayouts(self).unnumbered(try dataFiles())
  }

  /// Whether columns would be renamed, or names be given to other columns, nested ones included:
  /// what files without IDs cannot follow in every reader's eyes.
  ///
  /// - Throws: `LakeError` `.incompatibleSchema`.
  public func renames(to columns: Schema) throws -> Bool {
    let next = try Table.schema(for: columns, over: self, replacesAllRows: false)
    let known =
      property(NameMapping.property).flatMap(NameMapping.init(parsing:)) ?? NameMapping(schema)
    return NameMapping.differs(known.entries, next.fields)
  }
}
