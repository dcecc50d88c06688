/// The columns a text takes on a terminal. The text holds no control characters.
func displayWidth(_ text: some StringProtocol) -> Int {
  // Most text is ASCII, where a byte is a column.
  if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
  return text.reduce(0) { $0 + displayWidth(of: $1) }
}

/// The columns of one character: 0, 1 or 2, and more for clusters of spacing letters.
///
/// A cluster takes what its scalars take together, as terminals add them up; except that emoji
/// sequences (joined, toned, or made so by a variation selector) take two.
func displayWidth(of character: Character) -> Int {
  let scalars = character.unicodeScalars
  guard let first = scalars.first else { return 0 }
  if scalars.count == 1 { return columnCount(of: first) }
  if scalars.contains("\u{FE0F}") || scalars.contains("\u{200D}") && columnCount(of: first) == 2 {
    return 2
  }
  let modifiers: ClosedRange<Unicode.Scalar> = "\u{1F3FB}"..."\u{1F3FF}"
  return scalars.dropFirst().reduce(columnCount(of: first)) { width, scalar in
    modifiers.contains(scalar) ? width : width + columnCount(of: scalar)
  }
}

/// The columns of one scalar by itself: 0 for marks and format characters, 2 for wide ones.
func columnCount(of scalar: Unicode.Scalar) -> Int {
  if scalar.value < 0x300 { return scalar.value == 0xAD ? 1 : scalar.value < 0x20 ? 0 : 1 }
  switch scalar.properties.generalCategory {
  case .nonspacingMark, .enclosingMark, .format, .lineSeparator, .paragraphSeparator: return 0
  default: break
  }
  // The vowels and finals of Korean syllables join the consonant before them.
  if (0x1160...0x11FF).contains(scalar.value) { return 0 }
  if wideRanges.contains(where: { $0.contains(scalar.value) }) { return 2 }
  // Regional indicators are emoji only in pairs; each takes one column.
  if (0x1F1E6...0x1F1FF).contains(scalar.value) { return 1 }
  return scalar.properties.isEmojiPresentation ? 2 : 1
}

/// Scalars that are wide (W, F) in Unicode's EastAsianWidth.txt and are not emoji.
private let wideRanges: [ClosedRange<UInt32>] = [
  0x1100...0x115F, 0x2329...0x232A, 0x2E80...0x303E, 0x3041...0x3247, 0x3250...0x4DBF,
  0x4E00...0xA4C6, 0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19,
  0xFE30...0xFE6B, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x1B2FB, 0x1F200...0x1F265,
  0x20000...0x3FFFD,
]

/// Cuts a text to at most `width` columns; the last one is `…` where something was cut.
func truncated(_ text: String, to width: Int) -> String {
  guard displayWidth(text) > width else { return text }
  guard width > 0 else { return "" }
  var kept = ""
  var used = 0
  for character in text {
    let columns = displayWidth(of: character)
    if used + columns > width - 1 { break }
    kept.append(character)
    used += columns
  }
  return kept + "…"
}

/// The same with the beginning cut: of names that differ at their ends.
func truncatedOnLeft(_ text: String, to width: Int) -> String {
  guard displayWidth(text) > width else { return text }
  var kept: [Character] = []
  var used = 1
  for character in text.reversed() {
    used += displayWidth(of: character)
    if used > width { break }
    kept.append(character)
  }
  return width > 0 ? "…" + String(kept.reversed()) : ""
}

/// Pads with spaces on the right, or on the left, up to `width` columns.
func padded(_ text: String, to width: Int, onLeft: Bool = false) -> String {
  let spaces = String(repeating: " ", count: max(0, width - displayWidth(text)))
  return onLeft ? spaces + text : text + spaces
}

/// The text with control characters made visible, so that data can neither break a table's lines
/// nor command the terminal: `\n`, `\t`, `\x1B`.
func printable(_ text: String) -> String {
  let isClean = text.unicodeScalars.allSatisfy { !isControl($0) }
  if isClean { return text }
  var out = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\n": out += "\\n"
    case "\r": out += "\\r"
    case "\t": out += "\\t"
    default:
      if !isControl(scalar) {
        out.unicodeScalars.append(scalar)
      } else if scalar.value < 0x100 {
        let hex = String(scalar.value, radix: 16, uppercase: true)
        out += "\\x" + (hex.count < 2 ? "0" + hex : hex)
      } else {
        out += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
      }
    }
  }
  return out
}

/// C0, C1, DEL, line separators, and the marks that reorder text around them.
private func isControl(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0...0x1F, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: true
  default: false
  }
}
