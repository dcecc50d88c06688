/// A file's bytes as text that libyaml accepts, or the first place where they are not.
///
/// libyaml reports the position of wrong bytes only as an offset, and ends a plain word inside
/// `[…]` and `{…}` at a brace. So both are settled before it reads: bytes are checked here, and the
/// flow indicators inside `${…}` are swapped, one character for one, for private-use characters
/// that `restore` swaps back. Columns stay what they are, and `{min: ${low}}` means what it says.
struct YAMLText {
  /// More is not a file that someone wrote by hand.
  static let maxBytes = 1 << 20

  struct Mistake: Error {
    let mark: YAMLNode.Mark
    let message: String
  }

  let text: String
  /// Whether `restore` has something to undo.
  private let isShielded: Bool

  init(_ bytes: [UInt8]) throws(Mistake) {
    let start = YAMLNode.Mark(line: 1, column: 1)
    guard bytes.count <= YAMLText.maxBytes else {
      throw Mistake(mark: start, message: "larger than \(YAMLText.maxBytes >> 20) MiB")
    }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw Mistake(mark: start, message: "UTF-16; project files are UTF-8")
    }
    let body = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
    var scalars = String.UnicodeScalarView()
    var mark = start
    var decoder = UTF8()
    var iterator = body.makeIterator()
    decoding: while true {
      switch decoder.decode(&iterator) {
      case .emptyInput: break decoding
      case .error: throw Mistake(mark: mark, message: "bytes that are not UTF-8")
      case .scalarValue(let scalar):
        guard YAMLText.isAllowed(scalar) else {
          let code = String(scalar.value, radix: 16, uppercase: true).paddedLeft(to: 4, with: "0")
          throw Mistake(mark: mark, message: "the control character U+\(code)")
        }
        scalars.append(scalar)
        if scalar == "\n" {
          mark = YAMLNode.Mark(line: mark.line + 1, column: 1)
        } else {
          mark.column += 1
        }
      }
    }
    // A file that uses these characters itself keeps them, and does without the convenience.
    isShielded =
      scalars.contains("$") && !scalars.contains { YAMLText.privateUse.contains($0.value) }
    text = isShielded ? YAMLText.shield(scalars) : String(scalars)
  }

  /// YAML 1.1, section 5.1: the characters a stream may hold.
  private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0x85, 0xA0...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD,
      0x10000...:
      true
    default: false
    }
  }

  private static let swaps: [(Unicode.Scalar, Unicode.Scalar)] = [
    ("{", "\u{E0F0}"), ("}", "\u{E0F1}"), ("[", "\u{E0F2}"), ("]", "\u{E0F3}"), (",", "\u{E0F4}"),
  ]

  private static let privateUse: ClosedRange<UInt32> = 0xE0F0...0xE0F4

  private static func shield(_ scalars: String.UnicodeScalarView) -> String {
    var all = Array(scalars)
    var index = 0
    while index + 1 < all.count {
      if all[index] == "$", all[index + 1] == "$" {
        index += 2
      } else if all[index] == "$", all[index + 1] == "{", let end = close(of: index + 1, in: all) {
        for inside in (index + 1)...end {
          if let swap = swaps.first(where: { $0.0 == all[inside] }) { all[inside] = swap.1 }
        }
        index = end + 1
      } else {
        index += 1
      }
    }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: all)
    return String(result)
  }

  /// The brace that closes the one at `open`, on the same line.
  private static func close(of open: Int, in all: [Unicode.Scalar]) -> Int? {
    var depth = 0
    for index in open..<all.count {
      switch all[index] {
      case "{": depth += 1
      case "}":
        depth -= 1
        if depth == 0 { return index }
      case "\n", "\r", "\"", "'": return nil
      default: break
      }
    }
    return nil
  }

  /// A scalar's text with the swaps undone.
  func restore(_ text: String) -> String {
    guard isShielded, text.utf8.contains(0xEE) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      result.append(YAMLText.swaps.first { $0.1 == scalar }?.0 ?? scalar)
    }
    return String(result)
  }
}
