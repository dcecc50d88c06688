/// Reads `4GB`, `512 MiB`, `1.5TB`, `4096`: powers of 1000, and of 1024 with an `i`.
///
/// - Returns: Bytes, at least 1; nil for anything else.
func parseByteCount(_ text: String) -> Int64? {
  let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
  let unit = text.dropFirst(number.count).drop { $0 == " " }.lowercased()
  guard let value = Double(number), let factor = byteUnits[unit] else { return nil }
  let bytes = value * factor
  guard bytes >= 1, bytes < 9e18 else { return nil }
  return Int64(bytes)
}

private let byteUnits: [String: Double] = [
  "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
  "kib": 1024, "mib": 1_048_576, "gib": 1_073_741_824, "tib": 1_099_511_627_776,
]
