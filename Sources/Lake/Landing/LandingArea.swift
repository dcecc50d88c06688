import Core
import Kernels
import Stores

/// The byte-for-byte copies of one source's files, filed by the day on which they came:
/// `landing/<pipeline>/<source>/date=2024-01-31/<origin>-<version>/<base name>`.
///
/// `<origin>` and `<version>` are the first 16 hexadecimal digits of the SHA-256 of the file's key
/// and version: two origins with one base name do not meet, and neither do two versions of a day.
/// A copy is created once and never changed. The source log names the origin; the day in its line
/// locates the copy (rule 6).
public struct LandingArea: Sendable {
  let store: any Store
  let prefix: String

  init(store: any Store, pipeline: String, source: String) {
    self.store = store
    prefix = LakeLayout.landingPrefix(pipeline: pipeline, source: source)
  }

  /// One copy, as it lies in the lake.
  public struct Copy: Sendable {
    public var store: any Store
    public var object: Object
    fileprivate var versionDigits: Substring

    public func isOf(version: String) -> Bool { versionDigits == LandingArea.digits(version) }
  }

  /// The copy of a file's version that came on a day; nil where there is none.
  ///
  /// - Throws: `LakeError` `.damaged` where it has another size than the file.
  public func copy(of file: ListedFile, on day: LandingDay) throws -> Copy? {
    let key = key(of: file, on: day)
    guard let object = try store.head(key) else { return nil }
    guard file.byteCount < 0 || object.byteCount == file.byteCount else {
      throw LakeError(
        .damaged,
        "the landed copy has \(object.byteCount) bytes, its origin had \(file.byteCount)",
        at: Place(file: store.uri(key)), advice: "restore it from a backup of the lake")
    }
    return Copy(store: store, object: object, versionDigits: LandingArea.digits(file.version)[...])
  }

  /// The copies of a file, whatever their version, that came on a day.
  public func copies(ofKey key: String, on day: LandingDay) throws -> [Copy] {
    let start = folder(key, on: day)
    return try store.objects(below: start).map { object in
      Copy(
        store: store, object: object,
        versionDigits: object.key.dropFirst(start.count).prefix { $0 != "/" })
    }
  }

  /// The copy that a line of the log stands for.
  ///
  /// - Throws: `LakeError` `.missing` and `.damaged`.
  public func copy(of file: ListedFile) throws -> Copy? {
    guard let day = file.landed else { return nil }
    if let copy = try copy(of: file, on: day) { return copy }
    throw LakeError(
      .missing, "the landed copy of \(file.key) is gone",
      at: Place(file: store.uri(key(of: file, on: day))),
      advice: "restore it from a backup of the lake")
  }

  /// Files the bytes of a file's version, unless they are there already.
  ///
  /// - Parameter path: A local file that nobody changes meanwhile.
  public func put(_ path: String, as file: ListedFile, on day: LandingDay) throws -> Copy {
    let key = key(of: file, on: day)
    do {
      let object = try store.put(key, .file(path: path), .absent)
      return Copy(
        store: store, object: object, versionDigits: LandingArea.digits(file.version)[...])
    } catch let error as StoreError where error.code == .conditionFailed {
      // Another run has landed the same.
      guard let copy = try copy(of: file, on: day) else { throw error }
      return copy
    }
  }

  func key(of file: ListedFile, on day: LandingDay) -> String {
    "\(folder(file.key, on: day))\(LandingArea.digits(file.version))/\(LandingArea.name(file.key))"
  }

  private func folder(_ key: String, on day: LandingDay) -> String {
    "\(prefix)date=\(day)/\(LandingArea.digits(key))-"
  }

  private static func digits(_ text: String) -> String {
    String(hexText(sha256(Array(text.utf8))).prefix(16))
  }

  /// The last part of a key, fit for any store; of a web address without what follows its `?`.
  private static func name(_ key: String) -> String {
    let isWeb = key.hasPrefix("http://") || key.hasPrefix("https://")
    let path = isWeb ? key.prefix { $0 != "?" } : key[...]
    let name = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    return name.isEmpty ? "data" : String(LakeLayout.safe(String(name)).suffix(120))
  }
}
