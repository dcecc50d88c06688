import Core

/// Messages in which object stores say that something happened to an object.
///
/// They are hints (rule 2): they come late, twice, out of order or not at all. So only the object's
/// address is taken from them, whatever happened; a HEAD decides what is true by now.
///
/// | shape | where the object is named |
/// |---|---|
/// | S3 event notification | `Records[].s3.bucket.name`, `.object.key` (form-encoded) |
/// | EventBridge | `detail.bucket.name`, `detail.object.key` |
/// | SQS | a shape above in `Messages[].Body`, or in `Records[].body` |
/// | SNS | a shape above in `Message`, or in `Records[].Sns.Message` |
/// | Pub/Sub, pushed or pulled | `message.attributes`, else base64 in `message.data` |
/// | GCS object resource, CloudEvent | `bucket` and `name`, or these in `data` |
/// | plain | `address` |
///
/// Shapes after docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
/// and ev-events.html, and cloud.google.com/storage/docs/pubsub-notifications.
public enum ObjectEvents {
  /// The addresses that messages name, each once, in order of appearance: `s3://bucket/key`,
  /// `gs://bucket/key`, or what a plain message says.
  ///
  /// - Parameters:
  ///   - bytes: JSON documents one after the other, a line each or however laid out. None is fine.
  ///   - name: What errors call the text: a path, or `standard input`.
  /// - Throws: `PipelineError` `.badEvent`, exit code 2, with the line.
  public static func addresses(in bytes: [UInt8], from name: String) throws -> [String] {
    var found: [String] = []
    var seen = Set<String>()
    for document in JSONDocuments.split(bytes) {
      let place = Place(file: name, line: document.line)
      let json: JSON
      do {
        json = try JSON(parsing: Array(bytes[document.range]))
      } catch {
        throw PipelineError(
          .badEvent, "not JSON: \(error.message)",
          at: Place(file: name, line: document.line + error.line - 1, column: error.column),
          advice: advice, exitCode: 2)
      }
      var reader = EventReader(place: place)
      try reader.read(json)
      found += reader.addresses.filter { seen.insert($0).inserted }
    }
    return found
  }

  static let advice =
    "expected S3, SQS, SNS, EventBridge or Cloud Storage event messages, or "
    + #"{"address": "/path/or/uri"}"#
}

/// Finds where one JSON text ends and the next begins, without understanding them.
enum JSONDocuments {
  /// A document's bytes, and the 1-based line on which it begins.
  static func split(_ bytes: [UInt8]) -> [(range: Range<Int>, line: Int)] {
    var documents: [(range: Range<Int>, line: Int)] = []
    var (line, start, startLine, depth) = (1, -1, 1, 0)
    var (inString, isEscaped) = (false, false)
    var index = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\n") { line += 1 }
      if inString {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          inString = false
        }
      } else if start < 0 {
        // A record separator may come before each text (RFC 7464).
        if !isSpace(byte) && byte != 0x1E {
          (start, startLine) = (index, line)
          continue
        }
      } else if byte == UInt8(ascii: "\"") {
        inString = true
      } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
        depth += 1
      } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
        depth -= 1
        if depth <= 0 {
          documents.append((start..<index + 1, startLine))
          (start, depth) = (-1, 0)
        }
      } else if depth == 0 && isSpace(byte) {
        // A word outside of everything; the parser or the reader refuses it.
        documents.append((start..<index, startLine))
        start = -1
      }
      index += 1
    }
    // One that does not end; the parser says why.
    if start >= 0 { documents.append((start..<bytes.count, startLine)) }
    return documents
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0D).contains(byte)
  }
}
