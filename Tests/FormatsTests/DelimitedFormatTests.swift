import Core
import Formats
import Kernels
import Testing

@Suite struct DelimitedFormatTests {
  private let pageviews = DelimitedFormat(
    delimiter: 0x20, quote: nil, hasHeader: false,
    columns: columns(["domain": .string, "page": .string, "views": .bigint, "bytes": .bigint]))

  @Test("Page views: quotes are letters, a bad count and a missing field are set aside")
  func lines() throws {
    let (rows, rejected) = try read(
      "aa Main_Page 3 0\naa \"x 1 0\nde.m Größe 2 0\nde 1 0\nen X many 0\nen Y 9223372036854775808 0",
      pageviews)
    #expect(
      rows == [
        [.string("aa"), .string("Main_Page"), .integer(3), .integer(0)],
        [.string("aa"), .string("\"x"), .integer(1), .integer(0)],
        [.string("de.m"), .string("Größe"), .integer(2), .integer(0)],
      ])
    #expect(
      rejected == [
        "4:columns:de 1 0", "5:not_bigint(views):en X many 0",
        "6:not_bigint(views):en Y 9223372036854775808 0",
      ])
  }

  @Test("Empty fields: with and without quoting, null texts")
  func empty() throws {
    let fields = columns(["s": .string, "b": .binary, "i": .int])
    let plain = DelimitedFormat(quote: nil, hasHeader: false, columns: fields)
    #expect(try read(",,\n", plain).rows == [[.string(""), .binary([]), .null]])
    let quoted = DelimitedFormat(hasHeader: false, columns: fields)
    #expect(
      try read(",,\n\"\",\"\",\"\"\n", quoted).rows == [
        [.null, .null, .null], [.string(""), .binary([]), .null],
      ])
    var nulls = quoted
    nulls.nullTexts = ["N/A", "\\N"]
    #expect(
      try read("N/A,\\N,\"N/A\"\nn/a,x,1\n", nulls).rows == [
        [.null, .null, .null], [.string("n/a"), .binary([0x78]), .integer(1)],
      ])
    nulls.nullTexts = [""]
    #expect(try read("\"\",,\"\"\n", nulls).rows == [[.null, .null, .null]])
    var plainNulls = plain
    plainNulls.nullTexts = [""]
    #expect(try read(",x,\n", plainNulls).rows == [[.null, .binary([0x78]), .null]])
  }

  @Test("Quoted fields, doubled quotes, line ends inside, exact line numbers")
  func quoted() throws {
    let format = DelimitedFormat(columns: columns(["a": .string, "n": .int]))
    let (rows, rejected) = try read(
      "a,n\r\n\"say \"\"hi\"\"\",1\r\n\"two\nlines\",2\n\"x\"y,3\nz,four\n\"\"\"\",5\n\"open,6\nlast,7",
      format)
    #expect(
      rows == [
        [.string("say \"hi\""), .integer(1)], [.string("two\nlines"), .integer(2)],
        [.string("\""), .integer(5)], [.string("last"), .integer(7)],
      ])
    #expect(
      rejected == ["5:quote:\"x\"y,3", "6:not_int(n):z,four", "8:quote:\"open,6"])
  }

  @Test("Header: any order, extra columns, byte order mark, quotes")
  func header() throws {
    let format = DelimitedFormat(columns: columns(["b": .int, "a \"x\"": .string]))
    let (rows, _) = try read("\u{FEFF}\"a \"\"x\"\"\",extra,b\nfoo,bar,1\n", format)
    #expect(rows == [[.integer(1), .string("foo")]])
  }

  @Test("Header errors name the file, the column and the nearest name")
  func headerErrors() throws {
    func failure(_ text: String, _ names: String...) -> FormatError? {
      let fields = names.map { Field(name: $0, type: .string) }
      do {
        _ = try read(text, DelimitedFormat(columns: fields))
        return nil
      } catch { return error as? FormatError }
    }
    let missing = failure("domain,pages,views\na,b,c\n", "domain", "page")
    #expect(missing?.code == .badHeader)
    #expect(missing?.place == Place(file: "mem:/in", line: 1))
    #expect(missing?.message == "the header has no column 'page'")
    #expect(missing?.advice == "the nearest is 'pages'; correct `columns:`")
    #expect(failure("a;b\n1;2\n", "a")?.advice == "is the source's `delimiter` right?")
    #expect(failure("x,y\rq,r\r", "b")?.advice?.contains("CR alone") == true)
    #expect(failure("a,a\n", "a")?.message == "the header names the column 'a' 2 times")
    #expect(failure("q,r\n", "xxx", "yyy")?.parts.count == 2)
    #expect(failure("\"a,b\n1,2\n", "a")?.code == .badHeader)
    #expect(failure("", "a") == nil)
    #expect(failure("\u{FEFF}", "a") == nil)
    #expect(failure("a", "a") == nil)
  }

  @Test("Invalid UTF-8 spoils the row where a string is read from it, and only there")
  func utf8() throws {
    let text =
      Array("n,s,other\n1,ok,\u{E9}\n2,".utf8) + [0xE9] + Array(",x\n3,fine,".utf8)
      + [0xFF] + Array("\n".utf8)
    let format = DelimitedFormat(columns: columns(["n": .int, "s": .string]))
    let (rows, rejected) = try read(text, format)
    #expect(rows == [[.integer(1), .string("ok")], [.integer(3), .string("fine")]])
    #expect(rejected == ["3:utf8:2,\\xE9,x"])
    var binary = format
    binary.columns = columns(["s": .binary])
    #expect(try read(text, binary).rows[1] == [.binary([0xE9])])
  }

  @Test("Single-byte encodings become UTF-8; NUL is data")
  func encodings() throws {
    var format = DelimitedFormat(
      encoding: .latin1, columns: columns(["é": .string, "b": .binary]))
    let text =
      [0xE9] + Array(",b\n\"a\"\"".utf8) + [0x80, 0xFC, 0] + Array("\",".utf8)
      + [0xFC] + Array("\n".utf8)
    #expect(try read(text, format).rows == [[.string("a\"\u{80}ü\0"), .binary([0xFC])]])
    format.encoding = .windows1252
    #expect(try read(text, format).rows == [[.string("a\"€ü\0"), .binary([0xFC])]])
  }

  @Test("Every type reads its forms and refuses others")
  func types() throws {
    func one(_ type: FieldType, _ text: String) throws -> Value? {
      let format = DelimitedFormat(
        delimiter: 0x09, quote: nil, hasHeader: false, columns: columns(["c": type]))
      let (rows, rejected) = try read(text + "\n", format)
      #expect(rows.count + rejected.count == 1)
      if let reject = rejected.first {
        let name = String("\(type)".prefix { $0 != "(" })
        #expect(reject == "1:not_\(name)(c):\(text)")
      }
      return rows.first?[0]
    }
    let day = Int64(86_400_000_000)
    let good: [(FieldType, String, Value)] = [
      (.boolean, "TRUE", .boolean(true)), (.boolean, "f", .boolean(false)),
      (.boolean, "1", .boolean(true)), (.boolean, "No", .boolean(false)),
      (.int, "-2147483648", .integer(-2_147_483_648)), (.int, "+7", .integer(7)),
      (.bigint, "9223372036854775807", .integer(.max)),
      (.float, "1.1", .float(1.1)), (.double, "1e-3", .double(0.001)),
      (.decimal(precision: 10, scale: 2), "12.5", .decimal(unscaled: 1250, scale: 2)),
      (.date, "1970-01-02", .date(1)), (.date, "2024-02-29", .date(19_782)),
      (.date, "0001-01-01", .date(-719_162)),
      (.time, "23:59:59.999999", .time(day - 1)), (.time, "01:02", .time(3_720_000_000)),
      (.timestamp, "1970-01-02", .timestamp(.init(microseconds: day))),
      (.timestamp, "1970-01-02 00:00:00.5", .timestamp(.init(microseconds: day + 500_000))),
      (.timestamp, "1969-12-31T23:59:59.999999", .timestamp(.init(microseconds: -1))),
      (.timestamptz, "1970-01-01T01:00:00+01", .timestamptz(.init(microseconds: 0))),
      (.timestamptz, "1970-01-01 00:00:00Z", .timestamptz(.init(microseconds: 0))),
      (.timestamptz, "1969-12-31T18:30:00-0530", .timestamptz(.init(microseconds: 0))),
      (.timestamptz, "1969-12-31T18:30:00-05:30", .timestamptz(.init(microseconds: 0))),
      (.timestamptz, "1970-01-01 00:00", .timestamptz(.init(microseconds: 0))),
      (.uuid, "00000000-0000-0000-0000-0000000000Ff", .uuid(255)),
      (.uuid, "000000000000000000000000000000ff", .uuid(255)),
      (.string, " a ", .string(" a ")), (.binary, "a", .binary([0x61])),
    ]
    for (type, text, expected) in good { #expect(try one(type, text) == expected) }
    let bad: [(FieldType, String)] = [
      (.boolean, "2"), (.boolean, "truee"), (.boolean, "tru"), (.int, "2147483648"),
      (.int, "1.0"), (.int, " 1"), (.bigint, "9223372036854775808"), (.bigint, "1e3"),
      (.float, "1e39"), (.double, "1e400"), (.double, "1,5"),
      (.decimal(precision: 4, scale: 2), "123"), (.decimal(precision: 4, scale: 2), "1.234"),
      (.date, "2023-02-29"), (.date, "2024-1-1"), (.date, "2024-01-01 "), (.date, "01/02/2024"),
      (.date, "2024-13-01"), (.date, "2024-00-10"), (.time, "24:00"), (.time, "12:60"),
      (.time, "12:00:00."), (.time, "12"), (.time, "12:00:60"), (.time, "1:00"),
      (.timestamp, "2024-01-01T00:00:00Z"), (.timestamp, "2024-01-01  00:00"),
      (.timestamp, "2024-01-01T"), (.timestamp, "2024-01-01T00:00:00.1234567"),
      (.timestamptz, "2024-01-01T00:00:00+1"), (.timestamptz, "2024-01-01T00:00:00+01:0"),
      (.timestamptz, "2024-01-01T00:00:00+24"), (.timestamptz, "2024-01-01T00:00:00 Z"),
      (.uuid, "0000000-00000-0000-0000-0000000000ff"), (.uuid, "g" + "0".repeated(31)),
    ]
    for (type, text) in bad { #expect(try one(type, text) == nil, "\(type) \(text)") }
  }

  @Test("Formats that no file can have are refused with exit code 2")
  func badFormats() {
    let fields = columns(["a": .string])
    let bad = [
      DelimitedFormat(delimiter: 0x0A, columns: fields),
      DelimitedFormat(delimiter: 0xE9, columns: fields),
      DelimitedFormat(delimiter: 0x22, columns: fields), DelimitedFormat(columns: []),
      DelimitedFormat(columns: fields + fields),
      DelimitedFormat(columns: columns(["l": .list(element: fields[0])])),
      DelimitedFormat(columns: fields, maximumRowByteCount: 1 << 30),
    ]
    for format in bad {
      do {
        _ = try DelimitedSource(files: [], format: format)
        Issue.record("accepted \(format)")
      } catch {
        #expect((error as? FormatError)?.code == .badFormat)
        #expect((error as? FormatError)?.exitCode == 2)
      }
    }
  }
}

extension String {
  fileprivate func repeated(_ count: Int) -> String { String(repeating: self, count: count) }
}
