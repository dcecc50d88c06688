import Core
import Kernels

/// What happens to a row that does not fit its format.
public enum MalformedPolicy: String, Sendable, Hashable, CaseIterable {
  /// Reading stops with an error.
  case fail
  /// The row is counted under its reason and left out.
  case drop
  /// The row is counted, left out and written to the reject log.
  case quarantine
}

/// How a text file of rows is read, delimited or of JSON lines: its dialect, columns and types.
///
/// **Rows** end in LF or CRLF, mixed as they come; the last may lack it. A CR elsewhere is data. A
/// byte order mark is skipped. Empty lines are no rows, unless rows have one field.
///
/// **Empty fields.** Without quoting, an empty field is the empty string for `string` and `binary`
/// and null for every other type. With quoting, an unquoted empty field is null for every type, and
/// `""` is the empty string for `string` and `binary` and null for every other type. `nullTexts`
/// are null in every column, quoted or not; naming `""` there makes all empty fields null.
///
/// **Values** are read strictly: nothing is trimmed, rounded or guessed, and what is out of range
/// is malformed. See `TextValue` for the forms of each type. NUL bytes are data like any other.
///
/// **JSON lines** are one object each, UTF-8. A column is the member of its name; `null` and an
/// absent member are null, other members are passed over. The forms of values are the same, in a
/// string or bare; a `string` column holds a string's text, and of any other value its JSON text.
///
/// **Reasons** of malformed rows, the fixed vocabulary of `Reason`: `columns`, `quote`, `json`,
/// `utf8`, `line_too_long`, and `not_<type>(<column>)`, e.g. `not_bigint(views)`.
public struct DelimitedFormat: Sendable, Hashable {
  public enum Syntax: Sendable, Hashable {
    case delimited
    /// What is said of delimiter, quote, header, encoding and null texts does not matter.
    case jsonLines
  }

  public var syntax = Syntax.delimited
  /// ASCII.
  public var delimiter: UInt8
  /// ASCII; nil turns quoting off.
  public var quote: UInt8?
  /// Whether the first row names the columns. Names are then matched exactly, in any order, and
  /// columns that are not declared are passed over; else rows hold the declared columns in order.
  public var hasHeader: Bool
  public var encoding: TextEncoding
  public var compression: Compression
  /// Not nested.
  public var columns: [Field]
  public var malformed: MalformedPolicy
  /// Texts that stand for null.
  public var nullTexts: [String]
  /// A longer row is malformed, and its text is not held in memory. At most 512 MiB.
  public var maximumRowByteCount: Int

  public init(
    delimiter: UInt8 = UInt8(ascii: ","), quote: UInt8? = UInt8(ascii: "\""),
    hasHeader: Bool = true, encoding: TextEncoding = .utf8, compression: Compression = .auto,
    columns: [Field], malformed: MalformedPolicy = .fail, nullTexts: [String] = [],
    maximumRowByteCount: Int = 64 << 20
  ) {
    self.delimiter = delimiter
    self.quote = quote
    self.hasHeader = hasHeader
    self.encoding = encoding
    self.compression = compression
    self.columns = columns
    self.malformed = malformed
    self.nullTexts = nullTexts
    self.maximumRowByteCount = maximumRowByteCount
  }

  /// One JSON object a line.
  public static func jsonLines(
    compression: Compression = .auto, columns: [Field], malformed: MalformedPolicy = .fail
  ) -> DelimitedFormat {
    var format = DelimitedFormat(
      quote: nil, hasHeader: false, compression: compression, columns: columns,
      malformed: malformed)
    format.syntax = .jsonLines
    return format
  }

  var dialect: TextDialect { TextDialect(delimiter: delimiter, quote: quote) }

  /// - Throws: `FormatError` `.badFormat`, exit code 2, for a format no file can have.
  public func validate() throws(FormatError) {
    func refuse(_ message: String, advice: String) throws(FormatError) {
      throw FormatError(.badFormat, message, advice: advice, exitCode: 2)
    }
    for (name, byte) in [("delimiter", delimiter), ("quote", quote ?? UInt8(ascii: "\""))]
    where byte >= 0x80 || byte == 0x0A || byte == 0x0D {
      try refuse("the \(name) is not one ASCII character", advice: "use one, or `\\t` for a tab")
    }
    if delimiter == quote {
      try refuse("delimiter and quote are the same", advice: "use `quote: none`")
    }
    if columns.isEmpty {
      try refuse("no columns are declared", advice: "list them under `columns:`")
    }
    if !(1...(512 << 20)).contains(maximumRowByteCount) {
      try refuse("the longest row is out of range", advice: "use 1 byte to 512 MiB")
    }
    var seen = Set<String>()
    for column in columns {
      if !seen.insert(column.name).inserted {
        try refuse("the column '\(column.name)' is declared twice", advice: "remove one")
      }
      if column.type.isNested {
        try refuse(
          "the column '\(column.name)' is a \(column.type), which text cannot hold",
          advice: "declare it as string and take it apart in SQL")
      }
      if syntax == .jsonLines && column.type == .binary {
        try refuse(
          "the column '\(column.name)' is binary, which JSON cannot hold",
          advice: "declare it as string and decode it in SQL")
      }
    }
  }
}

/// A file to read.
public struct InputFile: Sendable, Hashable {
  /// Where it is on this machine.
  public var path: String
  /// What messages and rejects call it: the URI it came from.
  public var name: String
  /// As it was listed; a file of another size is an error.
  public var byteCount: Int64
  /// As it was listed, where it is read where it was listed; a file of another state is an error.
  public var state: State?
  /// What `_source_file` and `_source_batch` say of its rows, where they are asked for.
  public var provenance: Origin?

  /// What besides its size tells a file of this machine from what it was.
  public struct State: Sendable, Hashable {
    /// The last modification, nanoseconds since 1970.
    public var modified: Int64
    public var inode: UInt64

    public init(modified: Int64, inode: UInt64) {
      self.modified = modified
      self.inode = inode
    }
  }

  /// A contribution and the batch that brought it.
  public struct Origin: Sendable, Hashable {
    public var file: String
    public var batch: Int64

    public init(file: String, batch: Int64) {
      self.file = file
      self.batch = batch
    }
  }

  public init(
    path: String, name: String, byteCount: Int64, state: State? = nil, provenance: Origin? = nil
  ) {
    self.path = path
    self.name = name
    self.byteCount = byteCount
    self.state = state
    self.provenance = provenance
  }
}

/// Why a row was rejected: the fixed vocabulary.
public enum Reason {
  /// Too many or too few fields.
  public static let columns = "columns"
  /// A quote that never closes, or stands where none may.
  public static let quote = "quote"
  /// Not one JSON object.
  public static let json = "json"
  /// A string column's text is not UTF-8.
  public static let utf8 = "utf8"
  /// Longer than the format's `maximumRowByteCount`.
  public static let lineTooLong = "line_too_long"

  /// `not_bigint(views)`: the text is not of the column's type, or out of its range.
  public static func notOfType(_ column: Field) -> String {
    let type =
      switch column.type {
      case .decimal: "decimal"
      default: column.type.description
      }
    return "not_\(type)(\(column.name))"
  }

  /// The rule of a reason in quarantine tables.
  public static func rule(_ reason: String) -> String { "malformed:\(reason)" }
}
