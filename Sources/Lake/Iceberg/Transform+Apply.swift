import Core
import Kernels

/// Iceberg's partition transforms (table spec, "Partition Transforms" and appendix B).
extension Transform {
  /// The partition value of a column's value; null for null, and for a value that is not of the
  /// type.
  ///
  /// - Parameter type: The column's.
  func apply(_ value: Value, of type: FieldType) -> Value {
    switch self {
    case .identity: return value
    case .void, .unknown: return .null
    case .year, .month, .day, .hour: return time(value)
    case .truncate(let width): return truncated(value, width)
    case .bucket(let count):
      return Transform.hash(value).map { hash in
        .integer(Int64(Int32(bitPattern: hash) & .max) % Int64(count))
      } ?? .null
    }
  }

  private func time(_ value: Value) -> Value {
    let microseconds: Int64
    switch value {
    case .date(let days):
      if self == .day { return value }
      microseconds = Int64(days) * 86_400_000_000
    case .timestamp(let instant), .timestamptz(let instant): microseconds = instant.microseconds
    default: return .null
    }
    let civil = CivilTime(Instant(microseconds: microseconds))
    switch self {
    case .year: return .integer(Int64(civil.year - 1970))
    case .month: return .integer(Int64((civil.year - 1970) * 12 + civil.month - 1))
    case .day: return .date(Int32(microseconds.floorDivided(by: 86_400_000_000)))
    default: return .integer(microseconds.floorDivided(by: 3_600_000_000))
    }
  }

  private func truncated(_ value: Value, _ width: Int) -> Value {
    switch value {
    case .integer(let number):
      let rest = number % Int64(width)
      return .integer(number &- (rest < 0 ? rest + Int64(width) : rest))
    case .decimal(let unscaled, let scale):
      let rest = unscaled % Int128(width)
      return .decimal(unscaled: unscaled - (rest < 0 ? rest + Int128(width) : rest), scale: scale)
    case .string(let text):
      return .string(String(String.UnicodeScalarView(text.unicodeScalars.prefix(width))))
    case .binary(let bytes): return .binary(Array(bytes.prefix(width)))
    default: return .null
    }
  }

  /// The 32-bit hash that buckets come from.
  static func hash(_ value: Value) -> UInt32? {
    switch value {
    case .integer(let number), .time(let number): murmur3(number)
    case .date(let days): murmur3(Int64(days))
    case .timestamp(let instant), .timestamptz(let instant): murmur3(instant.microseconds)
    case .decimal(let unscaled, _): murmur3(SingleValue.minimalBigEndian(unscaled))
    case .string(let text): murmur3(Array(text.utf8))
    case .binary(let bytes): murmur3(bytes)
    case .uuid(let number): murmur3(SingleValue.bigEndian(number))
    default: nil
    }
  }

  /// Whether greater values never have lesser partition values.
  var keepsOrder: Bool {
    switch self {
    case .identity, .truncate, .year, .month, .day, .hour: true
    case .bucket, .void, .unknown: false
    }
  }
}
