import Kernels
import TestSupport
import Testing

@Suite struct SplitTests {
  /// What a splitter found, as values that compare.
  struct Found: Equatable {
    var rows: [[String]] = []
    var lines: [Int] = []
    var misfits: [String] = []
    var blankLines = 0
    var consumed = 0
    var lineCount = 0
  }

  private func split(
    _ text: [UInt8], delimiter: UInt8 = 0x2C, quote: UInt8? = 0x22, fields: Int,
    ending: TextEnding = .end
  ) -> Found {
    text.withUnsafeBufferPointer { buffer in
      let table =
        quote.map {
          splitQuoted(buffer, delimiter: delimiter, quote: $0, fieldCount: fields, ending: ending)
        } ?? splitUnquoted(buffer, delimiter: delimiter, fieldCount: fields, ending: ending)
      var found = Found(
        blankLines: table.blankLineCount, consumed: table.consumedByteCount,
        lineCount: table.lineCount)
      for (index, row) in table.rows.enumerated() {
        found.lines.append(Int(row.line))
        found.rows.append(
          (0..<fields).map { field in
            let span = table.span(row: index, field: field)
            let bytes = UnsafeBufferPointer(
              rebasing: buffer[Int(span.offset)..<Int(span.offset) + span.count])
            guard let quote, span.hasDoubledQuotes else {
              return String(decoding: bytes, as: UTF8.self)
            }
            var single: [UInt8] = []
            appendUndoubled(bytes, quote: quote, to: &single)
            return String(decoding: single, as: UTF8.self)
          })
      }
      found.misfits = table.misfits.map { misfit in
        let start = Int(misfit.row.offset)
        let text = String(
          decoding: buffer[start..<start + Int(misfit.row.count)], as: UTF8.self)
        return "\(misfit.row.line):\(misfit.defect):\(text)"
      }
      return found
    }
  }

  private func split(
    _ text: String, delimiter: UInt8 = 0x2C, quote: UInt8? = 0x22, fields: Int,
    ending: TextEnding = .end
  ) -> Found {
    split(Array(text.utf8), delimiter: delimiter, quote: quote, fields: fields, ending: ending)
  }

  @Test("Unquoted rows: LF, CRLF, mixed, a lone CR, blank lines, no final line end")
  func unquoted() {
    let found = split(
      "a b\r\nc d\n\ne\rx f\n one\ng h i\n\" \"\nlast row", delimiter: 0x20, quote: nil, fields: 2)
    #expect(
      found.rows == [
        ["a", "b"], ["c", "d"], ["e\rx", "f"], ["", "one"], ["\"", "\""], ["last", "row"],
      ])
    #expect(found.lines == [0, 1, 3, 4, 6, 7])
    #expect(found.misfits == ["5:fieldCount:g h i"])
    #expect(found.blankLines == 1)
    #expect(found.lineCount == 7)
  }

  @Test("A single field may be empty; a last line end makes no row")
  func singleField() {
    for quote in [nil, UInt8(0x22)] {
      #expect(split("a\n\nb\n", quote: quote, fields: 1).rows == [["a"], [""], ["b"]])
      #expect(split("", quote: quote, fields: 1) == Found())
    }
  }

  @Test("Text that goes on leaves its last row for later")
  func more() {
    for quote in [nil, UInt8(0x22)] {
      let found = split("a,b\nc,d", quote: quote, fields: 2, ending: .more)
      #expect(found.rows == [["a", "b"]])
      #expect(found.consumed == 4)
      #expect(split("a,b", quote: quote, fields: 2, ending: .more).consumed == 0)
    }
    #expect(split("\"a\"", fields: 1, ending: .more).consumed == 0)
    #expect(split("\"a\"\r", fields: 1, ending: .more).consumed == 0)
    #expect(split("\"a\n\n", fields: 1, ending: .more).lineCount == 0)
  }

  @Test("Quoted fields: delimiters, line ends, doubled quotes, empty ones")
  func quoted() {
    let found = split(
      "\"a,1\",\"x\ny\"\r\n\"say \"\"hi\"\"\",\"\"\n,\"\"\"\"\n\"crlf\r\ninside\",z\n\"end\",\"q\"",
      fields: 2)
    #expect(
      found.rows == [
        ["a,1", "x\ny"], ["say \"hi\"", ""], ["", "\""], ["crlf\r\ninside", "z"], ["end", "q"],
      ])
    #expect(found.lines == [0, 2, 3, 4, 6])
    #expect(found.misfits == [])
  }

  @Test("Quotes where none may stand spoil their row only")
  func stray() {
    let found = split(
      "5\" pipe,x\na,b\n\"c\" d,e\nf,\"g\"\"\n,\"h\"x\ni,j\n\"k\"\rl,m\nn,o", fields: 2)
    #expect(found.rows == [["a", "b"], ["i", "j"], ["n", "o"]])
    #expect(found.lines == [1, 5, 7])
    #expect(
      found.misfits == [
        "0:quote:5\" pipe,x", "2:quote:\"c\" d,e", "3:quote:f,\"g\"\"\n,\"h\"x",
        "6:quote:\"k\"\rl,m",
      ])
  }

  @Test("A quote that never closes spoils its line only")
  func unterminated() {
    let found = split("a,b\n\"c,d\ne,f\r\ng,h\n", fields: 2)
    #expect(found.rows == [["a", "b"], ["e", "f"], ["g", "h"]])
    #expect(found.lines == [0, 2, 3])
    #expect(found.misfits == ["1:quote:\"c,d"])
    let full = split("\"c,d\ne,f\ng,", fields: 2, ending: .full)
    #expect(full.misfits == ["0:quote:\"c,d"])
    #expect(full.rows == [["e", "f"]])
    #expect(full.consumed == 9)
    #expect(split("\"cd", fields: 2, ending: .full).consumed == 0)
    #expect(split("\"cd", fields: 2).misfits == ["0:quote:\"cd"])
  }

  /// Reads the dialect one byte at a time, as its description says.
  private func naive(_ text: [UInt8], quote: UInt8?, fields: Int) -> Found {
    var found = Found()
    var place = 0
    while place < text.count {
      let start = place
      let line = found.lineCount
      var row: [[UInt8]] = [[]]
      var isBad = false
      var isQuoted = false
      var wasQuoted = false
      scan: while true {
        guard place < text.count else {
          if isQuoted { isBad = true }
          break scan
        }
        let byte = text[place]
        place += 1
        if byte == 0x0A { found.lineCount += 1 }
        if isQuoted {
          if byte != quote {
            row[row.count - 1].append(byte)
          } else if place < text.count && text[place] == quote {
            row[row.count - 1].append(byte)
            place += 1
          } else {
            isQuoted = false
            wasQuoted = true
          }
        } else if byte == 0x0A {
          break scan
        } else if byte == 0x0D && (place == text.count || text[place] == 0x0A) {
          continue
        } else if isBad {
          continue
        } else if byte == 0x2C {
          row.append([])
          wasQuoted = false
        } else if wasQuoted {
          isBad = true
        } else if byte == quote {
          if row[row.count - 1].isEmpty { isQuoted = true } else { isBad = true }
        } else {
          row[row.count - 1].append(byte)
        }
      }
      if isQuoted {
        // Only the first line is lost.
        place = (text[start...].firstIndex(of: 0x0A) ?? text.count - 1) + 1
        found.lineCount = line + (text[start..<place].contains(0x0A) ? 1 : 0)
      }
      var raw = Array(text[start..<place])
      if raw.last == 0x0A { raw.removeLast() }
      if raw.last == 0x0D { raw.removeLast() }
      let shown = String(decoding: raw, as: UTF8.self)
      if isBad {
        found.misfits.append("\(line):quote:\(shown)")
      } else if row.count == fields {
        found.rows.append(row.map { String(decoding: $0, as: UTF8.self) })
        found.lines.append(line)
      } else if raw.isEmpty {
        found.blankLines += 1
      } else {
        found.misfits.append("\(line):fieldCount:\(shown)")
      }
      found.consumed = place
    }
    return found
  }

  @Test("Random text: the splitters and a reader of single bytes agree", arguments: 0..<4)
  func random(_ seed: UInt64) {
    var random = Seeded(seed)
    for _ in 0..<1500 {
      // Weighted by repetition: letters make long fields, the rest makes trouble.
      let alphabet = Array("aaaaabbb,,,\n\n\"\"\r".utf8)
      let count = Int.random(in: 0...40, using: &random)
      let text = (0..<count).map { _ in alphabet.randomElement(using: &random)! }
      for fields in 1...3 {
        for quote in [nil, UInt8(0x22)] {
          let found = split(text, quote: quote, fields: fields)
          let expected = naive(text, quote: quote, fields: fields)
          #expect(
            found == expected, "\(String(decoding: text, as: UTF8.self).debugDescription) \(fields)"
          )
        }
      }
    }
  }

  @Test("Cut anywhere and continued, text gives the rows of the whole", arguments: 0..<4)
  func pieces(_ seed: UInt64) {
    var random = Seeded(seed + 50)
    let alphabet = Array("aaab,,\n\"\r".utf8)
    for _ in 0..<500 {
      let text = (0..<60).map { _ in alphabet.randomElement(using: &random)! }
      for quote in [nil, UInt8(0x22)] {
        let whole = split(text, quote: quote, fields: 2)
        let cut = Int.random(in: 0...60, using: &random)
        let first = split(Array(text.prefix(cut)), quote: quote, fields: 2, ending: .more)
        let rest = split(Array(text.dropFirst(first.consumed)), quote: quote, fields: 2)
        #expect(first.rows + rest.rows == whole.rows)
        #expect(first.lines + rest.lines.map { $0 + first.lineCount } == whole.lines)
        #expect(first.misfits.count + rest.misfits.count == whole.misfits.count)
        #expect(first.lineCount + rest.lineCount == whole.lineCount)
      }
    }
  }

  @Test("Field and row ends at every place of a word", arguments: edgeSizes)
  func edges(_ count: Int) {
    let field = String(repeating: "x", count: count)
    for quote in [nil, UInt8(0x22)] {
      let found = split("\(field),y\r\n\(field)z,\(field)\n", quote: quote, fields: 2)
      #expect(found.rows == [[field, "y"], [field + "z", field]])
    }
    let found = split("\"\(field)\",\"\(field)\"\n", fields: 2)
    #expect(found.rows == [[field, field]])
  }

  @Test("The first row, with any number of fields")
  func firstRow() {
    func fields(_ text: String, quote: UInt8?, _ ending: TextEnding = .end) -> [String]? {
      Array(text.utf8).withUnsafeBufferPointer { buffer in
        splitFirstRow(buffer, TextDialect(delimiter: 0x2C, quote: quote), ending: ending)?
          .fields.map { span in
            String(
              decoding: buffer[Int(span.offset)..<Int(span.offset) + span.count], as: UTF8.self)
          }
      }
    }
    for quote in [nil, UInt8(0x22)] {
      #expect(fields("a,b,c\r\nd\n", quote: quote) == ["a", "b", "c"])
      #expect(fields("a,,", quote: quote) == ["a", "", ""])
      #expect(fields("a,b", quote: quote, .more) == nil)
    }
    #expect(fields("\"a,1\",b\n", quote: 0x22) == ["a,1", "b"])
    #expect(fields("\"a\n\",b\n", quote: 0x22) == ["a\n", "b"])
    #expect(fields("\"a,b\n", quote: 0x22) == nil)
  }
}
