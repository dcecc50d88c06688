internal import CExpat
import Core

/// Reads an XML document through expat, element by element. Prefixes of names stay.
///
/// Document types are refused, and with them all entities but the five that XML itself has.
///
/// - Parameters:
///   - started: Gets each element's name where it starts.
///   - ended: Gets each element's name and its own text where it ends; the text of an element with
///     children is what came after the last of them.
/// - Throws: `TransportError` `.malformed`.
public func readXML(
  _ bytes: [UInt8], started: (_ name: String) -> Void = { _ in },
  ended: (_ name: String, _ text: String) -> Void
) throws {
  try withoutActuallyEscaping(started) { started in
    try withoutActuallyEscaping(ended) { ended in
      try XMLParse(started, ended).run(bytes)
    }
  }
}

/// The text of the first element of each name that has no children.
///
/// - Throws: `TransportError` `.malformed`.
public func xmlTexts(_ bytes: [UInt8]) throws -> [String: String] {
  var texts: [String: String] = [:]
  var isLeaf = false
  try readXML(bytes) { _ in
    isLeaf = true
  } ended: { name, text in
    if isLeaf && texts[name] == nil { texts[name] = text }
    isLeaf = false
  }
  return texts
}

/// One document on its way through the parser.
private final class XMLParse {
  private let started: (String) -> Void
  private let ended: (String, String) -> Void
  private var text: [UInt8] = []
  private var hasDoctype = false

  init(_ started: @escaping (String) -> Void, _ ended: @escaping (String, String) -> Void) {
    self.started = started
    self.ended = ended
  }

  func run(_ bytes: [UInt8]) throws {
    guard let parser = XML_ParserCreate(nil) else { fatalError("out of memory") }
    defer { XML_ParserFree(parser) }
    try withExtendedLifetime(self) {
      XML_SetUserData(parser, Unmanaged.passUnretained(self).toOpaque())
      XML_SetElementHandler(
        parser,
        { context, name, _ in XMLParse.of(context).start(String(cString: name!)) },
        { context, name in XMLParse.of(context).end(String(cString: name!)) })
      XML_SetCharacterDataHandler(parser) { context, characters, count in
        XMLParse.of(context).append(
          UnsafeRawBufferPointer(start: characters, count: Int(count)))
      }
      XML_SetStartDoctypeDeclHandler(parser) { context, _, _, _, _ in
        XMLParse.of(context).hasDoctype = true
      }
      let status = bytes.withUnsafeBytes {
        XML_Parse(
          parser, $0.baseAddress?.assumingMemoryBound(to: CChar.self), Int32($0.count), 1)
      }
      guard status == XML_STATUS_OK, !hasDoctype else {
        let reason =
          hasDoctype
          ? "a document type"
          : "\(String(cString: XML_ErrorString(XML_GetErrorCode(parser)))), line "
            + "\(XML_GetCurrentLineNumber(parser))"
        throw TransportError(.malformed, "the answer is not the XML it should be: \(reason)")
      }
    }
  }

  private func start(_ name: String) {
    text.removeAll(keepingCapacity: true)
    if !hasDoctype { started(name) }
  }

  private func end(_ name: String) {
    if !hasDoctype { ended(name, String(decoding: text, as: UTF8.self)) }
    text.removeAll(keepingCapacity: true)
  }

  private func append(_ characters: UnsafeRawBufferPointer) {
    if !hasDoctype { text.append(contentsOf: characters) }
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> XMLParse {
    Unmanaged<XMLParse>.fromOpaque(context!).takeUnretainedValue()
  }
}
