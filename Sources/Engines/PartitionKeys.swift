import Core

/// How DuckDB splits its output into one file or more for each partition: by the text of each
/// partition value, in extra columns that are not written.
struct PartitionKeys {
  struct Key {
    /// Of the extra column.
    var name: String
    /// The text of the value, `v…`, or `n` where it is null.
    var expression: String
    var type: FieldType
  }

  let keys: [Key]

  /// Values become parts of file names on the way.
  private static let byteLimit = 72

  /// - Throws: `.wrongColumns` for a column that is not there or cannot be transformed so.
  init(_ output: Output, label: String) throws(EngineError) {
    var keys: [Key] = []
    for (index, part) in output.partition.enumerated() {
      guard let field = output.schema[part.column], part.transform.applies(to: field.type) else {
        throw EngineError(
          .wrongColumns, "the rows cannot be partitioned by \(part)", at: Place(model: label),
          exitCode: 2)
      }
      let type = part.transform.resultType(of: field.type)
      let value = PartitionKeys.expression(
        field.name.quotedName, field.type, part.transform)
      let text = type == .binary ? "hex(\(value))" : "CAST(\(value) AS VARCHAR)"
      let message = "a value of \(part) is too long to partition by; use truncate(n, …): "
      let limited =
        "CASE WHEN strlen(\(text)) <= \(PartitionKeys.byteLimit) THEN 'v' || \(text) "
        + "ELSE error(\(message.quotedLiteral) || \(text)) END"
      var name = "_p\(index)"
      while output.schema[name] != nil { name += "_" }
      keys.append(
        Key(
          name: name, expression: "CASE WHEN \(value) IS NULL THEN 'n' ELSE \(limited) END",
          type: type))
    }
    self.keys = keys
  }

  /// The expressions as further columns of a SELECT.
  var columns: String { keys.map { ", \($0.expression) AS \($0.name.quotedName)" }.joined() }

  /// Options of COPY.
  var options: String {
    "PARTITION_BY (\(keys.map(\.name.quotedName).joined(separator: ", ")))"
  }

  /// The partition of a file, from the map that RETURN_STATS gives.
  func values(_ map: Value) throws(EngineError) -> [Value] {
    guard case .map(let names, let texts) = map else { throw PartitionKeys.unreadable(map) }
    let found = Dictionary(zip(names, texts)) { first, _ in first }
    var values: [Value] = []
    for key in keys {
      guard case .string(let text)? = found[.string(key.name)] else {
        throw PartitionKeys.unreadable(map)
      }
      if text == "n" {
        values.append(.null)
      } else if let value = ParquetStatistics.bound(
        // Not by characters: the value may begin with a combining one.
        String(String.UnicodeScalarView(text.unicodeScalars.dropFirst())), key.type)
      {
        values.append(value)
      } else if key.type == .float || key.type == .double, text.lowercased() == "vnan" {
        values.append(key.type == .float ? .float(.nan) : .double(.nan))
      } else {
        throw PartitionKeys.unreadable(map)
      }
    }
    return values
  }

  private static func unreadable(_ map: Value) -> EngineError {
    EngineError(.failed, "DuckDB says a file's partition is \(map), which cannot be read")
  }

  /// The SQL of Iceberg's transforms (table spec, "Partition Transforms").
  static func expression(_ column: String, _ type: FieldType, _ transform: Transform) -> String {
    switch transform {
    case .identity, .unknown: return column
    case .void: return "NULL::\(type.duckDBName)"
    case .year: return "CAST(date_part('year', \(column)) - 1970 AS INTEGER)"
    case .month:
      return "CAST((date_part('year', \(column)) - 1970) * 12 "
        + "+ date_part('month', \(column)) - 1 AS INTEGER)"
    case .day: return "CAST(\(column) AS DATE)"
    case .hour:
      let hour = "3600000000"
      let rest = "(epoch_us(\(column)) % \(hour) + \(hour)) % \(hour)"
      return "CAST((epoch_us(\(column)) - \(rest)) // \(hour) AS INTEGER)"
    case .bucket(let count):
      return "CASE WHEN \(column) IS NULL THEN NULL "
        + "ELSE CAST((\(hash(column, type)) & 2147483647) % \(count) AS INTEGER) END"
    case .truncate(let width):
      switch type {
      case .string: return "left(\(column), \(width))"
      case .binary: return "array_slice(\(column), 1, \(width))"
      case .decimal(let precision, let scale):
        // On the unscaled number, whose digits are those of the text.
        let digits = "CAST(replace(CAST(\(column) AS VARCHAR), '.', '') AS HUGEINT)"
        let rest = "(\(digits) % \(width) + \(width)) % \(width)"
        let unit = scale == 0 ? "1" : "0." + String(repeating: "0", count: scale - 1) + "1"
        return "CAST(\(column) - CAST(\(rest) AS DECIMAL(38, 0)) * "
          + "CAST(\(unit) AS DECIMAL(\(max(scale, 1)), \(scale))) "
          + "AS DECIMAL(\(precision), \(scale)))"
      default:
        return "CAST(\(column) - (\(column)::HUGEINT % \(width) + \(width)) % \(width) "
          + "AS \(type.duckDBName))"
      }
    }
  }

  private static func hash(_ column: String, _ type: FieldType) -> String {
    switch type {
    case .int, .bigint: return "\(HashFunction.ofNumber)(CAST(\(column) AS BIGINT))"
    case .date:
      return "\(HashFunction.ofNumber)(CAST(date_diff('day', DATE '1970-01-01', \(column)) "
        + "AS BIGINT))"
    case .time, .timestamp, .timestamptz:
      return "\(HashFunction.ofNumber)(epoch_us(\(column)))"
    case .string: return "\(HashFunction.ofBytes)(encode(\(column)))"
    case .uuid:
      return "\(HashFunction.ofBytes)(unhex(replace(CAST(\(column) AS VARCHAR), '-', '')))"
    case .decimal:
      // The fewest bytes that hold the unscaled number in two's complement, highest first.
      let digits = "CAST(replace(CAST(\(column) AS VARCHAR), '.', '') AS HUGEINT)"
      let raised = "CASE WHEN \(digits) < 0 THEN -1 - \(digits) ELSE \(digits) END"
      let count = "(length(CASE WHEN \(raised) = 0 THEN '' ELSE bin(\(raised)) END) // 8 + 1)"
      // 2^128 does not fit, so that a negative number is the complement of its complement's bytes.
      let bits =
        "lpad(CASE WHEN \(raised) = 0 THEN '' ELSE bin(\(raised)) END, CAST(\(count) * 8 AS INTEGER), '0')"
      let text = "CASE WHEN \(digits) < 0 THEN translate(\(bits), '01', '10') ELSE \(bits) END"
      return "\(HashFunction.ofBytes)(unbin(\(text)))"
    default: return "\(HashFunction.ofBytes)(\(column))"
    }
  }
}
