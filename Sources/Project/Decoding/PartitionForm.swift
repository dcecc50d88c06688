import Core

extension Form where Value == PartitionColumn {
  /// `column`, `day(column)`, `bucket(16, column)` and the like.
  static var partitionColumn: Form {
    Form<String>.text(expecting: "a column, or a transform of one").map(
      placeholder: PartitionColumn("")
    ) { text, node, reader in
      do throws(PartitionColumn.Mistake) {
        return try PartitionColumn(parsing: text)
      } catch {
        reader.fail(.badValue, error.message, at: node.mark, advice: error.advice)
        return nil
      }
    }
  }
}

extension PartitionColumn {
  struct Mistake: Error {
    var message: String
    var advice: String
  }

  private static let transforms = ["year", "month", "day", "hour", "bucket", "truncate"]

  init(parsing text: String) throws(Mistake) {
    guard let open = text.firstIndex(of: "("), text.hasSuffix(")") else {
      self.init(text)
      return
    }
    let name = text[..<open].trimmed.lowercased()
    let inner = text[text.index(after: open)...].dropLast()
    let parts = inner.split(separator: ",", omittingEmptySubsequences: false).map(\.trimmed)
    guard PartitionColumn.transforms.contains(name) else {
      let known = nearest(to: name, among: PartitionColumn.transforms)
      throw Mistake(
        message: "unknown transform '\(name.shortened)'",
        advice: known.map { "did you mean '\($0)'?" }
          ?? "the transforms are \(PartitionColumn.transforms.joined(separator: ", "))")
    }
    guard name == "bucket" || name == "truncate" else {
      guard parts.count == 1, let column = parts.first, !column.isEmpty else {
        throw Mistake(message: "'\(name)' takes one column", advice: "write \(name)(column)")
      }
      self.init(column, Transform(name))
      return
    }
    guard parts.count == 2, let number = Int32(parts[0]), number > 0, !parts[1].isEmpty else {
      throw Mistake(
        message: "'\(name)' takes a number above 0 and a column",
        advice: "write \(name)(16, column)")
    }
    self.init(parts[1], Transform("\(name)[\(number)]"))
  }
}

extension Substring {
  /// Without spaces at either end.
  fileprivate var trimmed: String {
    let end = lastIndex { $0 != " " }.map(index(after:)) ?? startIndex
    return String(self[..<end].drop { $0 == " " })
  }
}

extension Reader {
  /// Tells where a column to partition by is missing or of a type that its transform does not take.
  func require(partition: PartitionColumn, in columns: Schema, _ node: YAMLNode) {
    guard let field = columns[partition.column] else {
      _ = require(column: partition.column, in: columns, node)
      return
    }
    guard !partition.transform.applies(to: field.type) else { return }
    fail(
      .badValue, "'\(partition)' cannot be: '\(field.name)' is \(field.type.withArticle)",
      at: node.mark,
      advice: "year, month, day and hour take times, truncate whole numbers, decimals and text")
  }
}
