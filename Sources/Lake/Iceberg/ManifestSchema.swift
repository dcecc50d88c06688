import Core

/// The Avro schemas of manifests and manifest lists, version 2, with Iceberg's field IDs.
enum ManifestSchema {
  /// The type of each partition field; nil where the source column is not known any more.
  static func partitionTypes(_ spec: PartitionSpec, _ types: [Int: FieldType]) -> [FieldType?] {
    spec.fields.map { field in types[field.sourceID].map(field.transform.resultType) }
  }

  static func manifest(spec: PartitionSpec, types: [FieldType]) -> String {
    let partition: JSON = [
      "type": "record", "name": "r102",
      "fields": .array(
        zip(spec.fields, types).map { field, type in
          var avro = optional(
            avroName(field.name), field.id, avroType(type, name: "p\(field.id)"))
          if avroName(field.name) != field.name, case .object(var members) = avro {
            members.append(.init("iceberg-field-name", .string(field.name)))
            avro = .object(members)
          }
          return avro
        }),
    ]
    let file: JSON = [
      "type": "record", "name": "r2",
      "fields": [
        required("content", 134, "int"), required("file_path", 100, "string"),
        required("file_format", 101, "string"), required("partition", 102, partition),
        required("record_count", 103, "long"), required("file_size_in_bytes", 104, "long"),
        optional("column_sizes", 108, countMap(117, 118)),
        optional("value_counts", 109, countMap(119, 120)),
        optional("null_value_counts", 110, countMap(121, 122)),
        optional("nan_value_counts", 137, countMap(138, 139)),
        optional("lower_bounds", 125, boundMap(126, 127)),
        optional("upper_bounds", 128, boundMap(129, 130)),
        optional("key_metadata", 131, "bytes"),
        optional("split_offsets", 132, ["type": "array", "items": "long", "element-id": 133]),
        optional("equality_ids", 135, ["type": "array", "items": "int", "element-id": 136]),
        optional("sort_order_id", 140, "int"),
      ],
    ]
    let entry: JSON = [
      "type": "record", "name": "manifest_entry",
      "fields": [
        required("status", 0, "int"), optional("snapshot_id", 1, "long"),
        optional("sequence_number", 3, "long"), optional("file_sequence_number", 4, "long"),
        required("data_file", 2, file),
      ],
    ]
    return entry.description
  }

  static let manifestList: String = {
    let summary: JSON = [
      "type": "record", "name": "r508",
      "fields": [
        required("contains_null", 509, "boolean"), optional("contains_nan", 518, "boolean"),
        optional("lower_bound", 510, "bytes"), optional("upper_bound", 511, "bytes"),
      ],
    ]
    let file: JSON = [
      "type": "record", "name": "manifest_file",
      "fields": [
        required("manifest_path", 500, "string"), required("manifest_length", 501, "long"),
        required("partition_spec_id", 502, "int"), required("content", 517, "int"),
        required("sequence_number", 515, "long"), required("min_sequence_number", 516, "long"),
        required("added_snapshot_id", 503, "long"), required("added_files_count", 504, "int"),
        required("existing_files_count", 505, "int"),
        required("deleted_files_count", 506, "int"), required("added_rows_count", 512, "long"),
        required("existing_rows_count", 513, "long"),
        required("deleted_rows_count", 514, "long"),
        optional("partitions", 507, ["type": "array", "items": summary, "element-id": 508]),
        optional("key_metadata", 519, "bytes"),
      ],
    ]
    return file.description
  }()

  private static func required(_ name: String, _ id: Int, _ type: JSON) -> JSON {
    ["name": .string(name), "type": type, "field-id": .integer(Int64(id))]
  }

  private static func optional(_ name: String, _ id: Int, _ type: JSON) -> JSON {
    [
      "name": .string(name), "type": ["null", type], "default": nil,
      "field-id": .integer(Int64(id)),
    ]
  }

  /// A map with integer keys: Avro has none, so it is an array of pairs.
  private static func pairs(_ key: Int, _ value: Int, _ type: JSON) -> JSON {
    [
      "type": "array", "logicalType": "map",
      "items": [
        "type": "record", "name": .string("k\(key)_v\(value)"),
        "fields": [required("key", key, "int"), required("value", value, type)],
      ],
    ]
  }

  private static func countMap(_ key: Int, _ value: Int) -> JSON { pairs(key, value, "long") }

  private static func boundMap(_ key: Int, _ value: Int) -> JSON { pairs(key, value, "bytes") }

  private static func avroType(_ type: FieldType, name: String) -> JSON {
    switch type {
    case .boolean: return "boolean"
    case .int: return "int"
    case .bigint: return "long"
    case .float: return "float"
    case .double: return "double"
    case .decimal(let precision, let scale):
      return [
        "type": "fixed", "name": .string(name),
        "size": .integer(Int64(decimalByteCount(precision: precision))),
        "logicalType": "decimal", "precision": .integer(Int64(precision)),
        "scale": .integer(Int64(scale)),
      ]
    case .date: return ["type": "int", "logicalType": "date"]
    case .time: return ["type": "long", "logicalType": "time-micros"]
    case .timestamp:
      return ["type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": false]
    case .timestamptz:
      return ["type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": true]
    case .string: return "string"
    case .uuid:
      return ["type": "fixed", "name": .string(name), "size": 16, "logicalType": "uuid"]
    case .fixed(let byteCount):
      return ["type": "fixed", "name": .string(name), "size": .integer(Int64(byteCount))]
    case .binary, .list, .map, .structure: return "bytes"
    }
  }

  /// The least number of bytes that holds every number of `precision` digits, signed.
  static func decimalByteCount(precision: Int) -> Int {
    var bound: UInt128 = 1
    for _ in 0..<precision { bound *= 10 }
    return (128 - (bound - 1).leadingZeroBitCount) / 8 + 1
  }

  /// The name with what Avro does not allow in names replaced, as Iceberg's own writers do it.
  static func avroName(_ name: String) -> String {
    var out = ""
    for (index, scalar) in name.unicodeScalars.enumerated() {
      switch scalar {
      case "a"..."z", "A"..."Z", "_": out.unicodeScalars.append(scalar)
      case "0"..."9":
        if index == 0 { out += "_" }
        out.unicodeScalars.append(scalar)
      default: out += "_x" + String(scalar.value, radix: 16, uppercase: true)
      }
    }
    return out
  }

  /// Writes one partition value; the schema makes each optional.
  static func write(_ value: Value, _ type: FieldType, to encoder: inout AvroEncoder) {
    guard let stored = SingleValue.encode(value, as: type) else {
      encoder.long(0)
      return
    }
    encoder.long(1)
    switch value {
    case .boolean(let flag): encoder.boolean(flag)
    case .integer(let number) where type == .int || type == .bigint: encoder.long(number)
    case .date(let days): encoder.long(Int64(days))
    case .time(let microseconds): encoder.long(microseconds)
    case .timestamp(let instant), .timestamptz(let instant): encoder.long(instant.microseconds)
    case .string(let text): encoder.string(text)
    case .binary(let bytes):
      if case .fixed = type { encoder.fixed(bytes) } else { encoder.byteString(bytes) }
    default:
      // Floats and UUIDs are stored as in bounds; decimals are widened to their fixed size.
      if case .decimal(let precision, _) = type {
        let width = decimalByteCount(precision: precision)
        let sign: UInt8 = stored[0] >= 0x80 ? 0xFF : 0
        encoder.fixed(Array(repeating: sign, count: max(0, width - stored.count)) + stored)
      } else {
        encoder.fixed(stored)
      }
    }
  }

  /// Reads one partition value back.
  static func read(_ value: AvroValue, _ type: FieldType?) -> Value {
    switch (value, type) {
    case (.boolean(let flag), _): .boolean(flag)
    case (.long(let days), .date): .date(Int32(truncatingIfNeeded: days))
    case (.long(let number), .time): .time(number)
    case (.long(let number), .timestamp): .timestamp(Instant(microseconds: number))
    case (.long(let number), .timestamptz): .timestamptz(Instant(microseconds: number))
    case (.long(let number), _): .integer(number)
    case (.float(let number), .double): .double(Double(number))
    case (.float(let number), _): .float(number)
    case (.double(let number), _): .double(number)
    case (.string(let text), _): .string(text)
    case (.bytes(let bytes), let type?): SingleValue.decode(bytes, as: type) ?? .binary(bytes)
    case (.bytes(let bytes), nil): .binary(bytes)
    default: .null
    }
  }
}
