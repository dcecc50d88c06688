import Core

/// The text of a pattern, byte by byte, with what may not be taken for a wildcard.
struct GlobText {
  struct Element {
    var byte: UInt8
    /// Came percent-encoded, or from the folder that a relative path starts at.
    var isLiteral: Bool

    func `is`(_ character: Unicode.Scalar) -> Bool { !isLiteral && byte == UInt8(ascii: character) }
    var isWildcard: Bool { !isLiteral && GlobText.wildcards.contains(byte) }
  }

  static let wildcards = Array("*?[{".utf8)
  private static let slash = UInt8(ascii: "/")

  var elements: [Element]

  init(_ elements: some Sequence<Element>) { self.elements = Array(elements) }

  init(joining segments: ArraySlice<GlobText>) {
    let slash = [Element(byte: GlobText.slash, isLiteral: false)]
    elements = Array(segments.map(\.elements).joined(separator: slash))
  }

  /// - Returns: The absolute path's text; nil where the address is not a local one.
  init?(_ address: String, relativeTo folder: String?) throws {
    switch StoreURI.scheme(of: address) {
    case nil: elements = address.utf8.map { Element(byte: $0, isLiteral: false) }
    case "file": elements = try GlobText.decoded(try StoreURI.filePath(address), of: address)
    default: return nil
    }
    let path = String(decoding: elements.map(\.byte), as: UTF8.self)
    let absolute = try StoreURI.absolute(path, folder, given: address)
    let added = absolute.utf8.prefix(absolute.utf8.count - path.utf8.count)
    elements = added.map { Element(byte: $0, isLiteral: true) } + elements
  }

  /// The name in a bucket, of the address of one.
  ///
  /// - Returns: nil where the address is another one.
  init?(nameIn address: String) throws {
    let uri = try StoreURI(address)
    guard uri.kind == .s3 || uri.kind == .gs else { return nil }
    elements = uri.path.utf8.dropFirst().map { Element(byte: $0, isLiteral: false) }
  }

  private static func decoded(_ path: String, of address: String) throws -> [Element] {
    _ = try percentDecoded(path, given: address)
    var elements: [Element] = []
    var rest = path.utf8[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%") {
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)!
        elements.append(Element(byte: value, isLiteral: true))
        rest = rest.dropFirst(2)
      } else {
        elements.append(Element(byte: byte, isLiteral: false))
      }
    }
    return elements
  }

  var text: String { String(decoding: elements.map(\.byte), as: UTF8.self) }
  var hasWildcard: Bool { elements.contains(where: \.isWildcard) }

  var literalPrefix: String {
    String(decoding: elements.prefix { !$0.isWildcard }.map(\.byte), as: UTF8.self)
  }

  /// The parts between slashes, with `.` and `..` resolved up to the first that has a wildcard.
  var segments: [GlobText] {
    var segments: [GlobText] = []
    var isPlain = true
    for part in elements.split(whereSeparator: { $0.byte == GlobText.slash }) {
      let segment = GlobText(part)
      isPlain = isPlain && !segment.hasWildcard
      switch segment.text {
      case "." where isPlain: break
      case ".." where isPlain: _ = segments.popLast()
      default: segments.append(segment)
      }
    }
    return segments
  }

  /// The patterns that result when one way is taken through each pair of braces.
  func alternatives(of address: String) throws -> [GlobText] {
    guard let open = elements.firstIndex(where: { $0.is("{") }) else { return [self] }
    var depth = 0
    var cuts = [open]
    var close: Int?
    for index in open..<elements.count {
      let element = elements[index]
      if element.is("{") { depth += 1 }
      if element.is(",") && depth == 1 { cuts.append(index) }
      if element.is("}") { depth -= 1 }
      if depth == 0 {
        close = index
        break
      }
    }
    guard let close else { throw StoreURI.bad("a { without its } in a pattern", address) }
    cuts.append(close)
    var all: [GlobText] = []
    for (from, to) in zip(cuts, cuts.dropFirst()) {
      let text = GlobText(elements[..<open] + elements[(from + 1)..<to] + elements[(close + 1)...])
      all += try text.alternatives(of: address)
      guard all.count <= 1000 else {
        throw StoreURI.bad("a pattern whose braces stand for more than 1000 others", address)
      }
    }
    return all
  }
}
