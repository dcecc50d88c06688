import Core
import Foundation

extension PageviewsProject {
  /// `year=2024/month=01/day=01/hour=05` for `2024-01-01T05`; without the hour for a day.
  static func partitionPath(_ interval: String) -> String {
    var parts = [
      "year=\(interval.prefix(4))", "month=\(interval.dropFirst(5).prefix(2))",
      "day=\(interval.dropFirst(8).prefix(2))",
    ]
    if interval.count > 10 { parts.append("hour=\(interval.suffix(2))") }
    return parts.joined(separator: "/")
  }

  /// An interval's export folder: where its file and its marker are.
  ///
  /// - Parameter format: `csv` or `parquet`.
  func exportFolder(_ interval: String, format: String = "csv", below: URL? = nil) -> URL {
    (below ?? lake.appending(path: "exports/pageviews"))
      .appending(path: "format=\(format)/\(PageviewsProject.partitionPath(interval))")
  }

  /// The names in an export folder, `_SUCCESS` included; empty when there is none. The folders of
  /// a day's hours, which lie in the day's, are not among them.
  func exportNames(_ interval: String, format: String = "csv", below: URL? = nil) -> [String] {
    let folder = exportFolder(interval, format: format, below: below)
    return ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
      .filter { !$0.hasPrefix("hour=") }.sorted()
  }

  /// The bytes of `_SUCCESS`; nil when the export is not complete.
  func marker(_ interval: String, format: String = "csv", below: URL? = nil) -> [UInt8]? {
    let file = exportFolder(interval, format: format, below: below).appending(path: "_SUCCESS")
    return (try? Data(contentsOf: file)).map { [UInt8]($0) }
  }

  /// The CSV of an interval, decompressed. Nil when the export is not complete.
  ///
  /// - Throws: When the folder of a complete export holds not exactly one file beside its marker,
  ///   when the marker does not name that file, or when it is not sound gzip.
  func exported(_ interval: String, below: URL? = nil) throws -> String? {
    guard let marker = marker(interval, below: below) else { return nil }
    let names = exportNames(interval, below: below).filter { $0 != "_SUCCESS" }
    guard names.count == 1, String(decoding: marker, as: UTF8.self).contains(names[0]) else {
      throw UnexpectedExport(names: names, marker: String(decoding: marker, as: UTF8.self))
    }
    let file = exportFolder(interval, below: below).appending(path: names[0])
    return String(
      decoding: try Gzip.decompress([UInt8](try Data(contentsOf: file))), as: UTF8.self)
  }

  struct UnexpectedExport: Error {
    var names: [String]
    var marker: String
  }
}
