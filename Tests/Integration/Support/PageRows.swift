import Core
import Foundation

/// The rows of an hour or a day of `top_pages`, as text, to be compared with the oracle's CSV.
enum PageRows {
  /// Rows that some reader gave, as the CSV that an export of them would be: RFC 4180, ordered by
  /// domain, rank and page in byte order.
  ///
  /// - Parameter rows: Objects with `domain`, `page`, `views` and `rank`; others are ignored.
  static func csv(_ rows: [JSON]) -> String {
    let lines = rows.map { row -> (key: [[UInt8]], text: String) in
      let domain = row["domain"]?.string ?? "?"
      let page = row["page"]?.string ?? "?"
      let rank = row["rank"]?.integer ?? -1
      let views = row["views"]?.integer ?? -1
      // Ranks of the same number of digits compare as numbers do.
      let digits = String(repeating: "0", count: 12 - String(rank).count) + String(rank)
      return (
        [Array(domain.utf8), Array(digits.utf8), Array(page.utf8)],
        "\(quoted(domain)),\(quoted(page)),\(views),\(rank)\n"
      )
    }
    let sorted = lines.sorted { a, b in
      for (left, right) in zip(a.key, b.key) where left != right {
        return left.lexicographicallyPrecedes(right)
      }
      return false
    }
    return "domain,page,views,rank\n" + sorted.map(\.text).joined()
  }

  private static func quoted(_ field: String) -> String {
    guard field.utf8.contains(where: { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }) else {
      return field
    }
    return "\"" + field.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }

  /// The rows of one interval.
  ///
  /// - Parameter interval: As readers give times: `2024-01-01T05:00:00.000000`.
  static func of(_ rows: [JSON], from start: String, to end: String) -> [JSON] {
    rows.filter {
      $0["interval_start"]?.string == start && $0["interval_end"]?.string == end
    }
  }
}
