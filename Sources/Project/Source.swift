import Core

/// Where a pipeline's input comes from, and how its bytes become rows.
public struct Source: Sendable, Hashable {
  public var name: String
  public var origin: Origin
  public var format: Format
  public var compression: Compression
  /// What happens to a row (of text: a document) that does not fit.
  public var malformed: Misfit
  /// Whether files are copied into the lake first, and read from there.
  public var isLanded: Bool
  /// Of CSV, in the files' order; of JSON and Parquet, by name; empty for text.
  public var columns: Schema
  /// Where it is declared.
  public var place: Place

  public init(
    name: String, origin: Origin, format: Format, compression: Compression = .auto,
    malformed: Misfit = .fail, isLanded: Bool = false, columns: Schema = Schema([]),
    place: Place = .nowhere
  ) {
    self.name = name
    self.origin = origin
    self.format = format
    self.compression = compression
    self.malformed = malformed
    self.isLanded = isLanded
    self.columns = columns
    self.place = place
  }

  public enum Origin: Sendable, Hashable {
    /// All files that match, consumed as they come, change and go.
    case files(FileSettings)
    /// One file per interval.
    case intervals(IntervalFileSettings)
  }

  public struct FileSettings: Sendable, Hashable {
    /// An absolute path or URI, with `*`, `?` and `**` as wildcards.
    public var glob: String
    /// The share of objects that one batch may remove without `--allow-removals`, in percent.
    public var maxRemovedPercent: Double

    public init(glob: String, maxRemovedPercent: Double = 20) {
      self.glob = glob
      self.maxRemovedPercent = maxRemovedPercent
    }
  }

  public struct IntervalFileSettings: Sendable, Hashable {
    public var uri: URITemplate
    public var wait: Wait
    public var onRepublish: OnRepublish
    /// How far back re-published files are looked for; 0 looks for none.
    public var recheckMilliseconds: Int64
    /// How many of an interval's files must be there; nil means all.
    public var require: Int?

    public init(
      uri: URITemplate, wait: Wait = Wait(), onRepublish: OnRepublish = .ignore,
      recheckMilliseconds: Int64 = 0, require: Int? = nil
    ) {
      self.uri = uri
      self.wait = wait
      self.onRepublish = onRepublish
      self.recheckMilliseconds = recheckMilliseconds
      self.require = require
    }
  }

  /// How long a run stays for a file that is not published yet.
  public struct Wait: Sendable, Hashable {
    public enum OnTimeout: String, Sendable, CaseIterable { case skip, fail }
    /// 0 looks once.
    public var timeoutMilliseconds: Int64
    public var everyMilliseconds: Int64
    public var onTimeout: OnTimeout

    public init(
      timeoutMilliseconds: Int64 = 0, everyMilliseconds: Int64 = 60_000,
      onTimeout: OnTimeout = .skip
    ) {
      self.timeoutMilliseconds = timeoutMilliseconds
      self.everyMilliseconds = everyMilliseconds
      self.onTimeout = onTimeout
    }
  }

  public enum OnRepublish: String, Sendable, CaseIterable { case ignore, rerun }
  public enum Misfit: String, Sendable, CaseIterable { case fail, drop, quarantine }
  /// `auto` goes by the first bytes, not by the name.
  public enum Compression: String, Sendable, CaseIterable { case auto, none, gzip, zstd }
  public enum Encoding: String, Sendable, CaseIterable {
    case utf8 = "utf-8"
    case latin1 = "latin-1"
    case windows1252 = "windows-1252"
  }

  public enum Format: Sendable, Hashable {
    case csv(CSV)
    /// One object a line.
    case json
    case parquet
    case text(Text)
  }

  /// Delimited lines.
  public struct CSV: Sendable, Hashable {
    public var delimiter: UInt8
    /// Nil where quotes are ordinary characters.
    public var quote: UInt8?
    public var header: Bool
    public var encoding: Encoding
    /// Texts that are NULL in every column, quoted or not.
    public var nullValues: [String]

    public init(
      delimiter: UInt8 = UInt8(ascii: ","), quote: UInt8? = UInt8(ascii: "\""),
      header: Bool = true, encoding: Encoding = .utf8, nullValues: [String] = []
    ) {
      self.delimiter = delimiter
      self.quote = quote
      self.header = header
      self.encoding = encoding
      self.nullValues = nullValues
    }
  }

  /// One object is one document.
  public struct Text: Sendable, Hashable {
    public var encoding: Encoding
    /// Tried where `encoding` does not fit; nil makes such a document malformed.
    public var fallbackEncoding: Encoding?
    /// What happens to a document with a NUL in its first 8 KiB.
    public var binary: Misfit

    public init(
      encoding: Encoding = .utf8, fallbackEncoding: Encoding? = nil, binary: Misfit = .quarantine
    ) {
      self.encoding = encoding
      self.fallbackEncoding = fallbackEncoding
      self.binary = binary
    }
  }
}
