import Core
import Testing

@testable import Project

@Suite struct TemplateTests {
  static let start = Instant(seconds: 1_704_085_200)  // 2024-01-01T05:00

  @Test(
    "templates: their length and an address",
    arguments: [
      ("{yyyy}/{MM}/{dd}/{HH}", .hour, "2024/01/01/05"),
      ("x-{yyyyMMdd}-{HH}0000.gz", .hour, "x-20240101-050000.gz"),
      ("{yyyyMMddHH}", .hour, "2024010105"), ("{yyyy-MM-dd}T{HH}", .hour, "2024-01-01T05"),
      ("{yyyy-MM-ddTHH}", .hour, "2024-01-01T05"), ("{yyyyMMdd}.csv", .day, "20240101.csv"),
      ("{yyyy}/{yyyy}-{MM}.csv", .month, "2024/2024-01.csv"), ("a{yyyy}", .year, "a2024"),
      ("{dd}.{MM}.{yyyy}", .day, "01.01.2024"),
    ] as [(String, IntervalLength, String)])
  func templates(_ text: String, _ length: IntervalLength, _ address: String) throws {
    let template = try URITemplate(text)
    #expect(template.length == length)
    #expect(template.expand(length.interval(holding: Self.start)) == address)
    #expect(template.description == text)
    #expect(template.interval(at: address) == length.interval(holding: Self.start))
    #expect(template.interval(at: address + "x") == nil)
    #expect(template.interval(at: String(address.dropLast())) == nil)
  }

  @Test(
    "addresses that no interval has",
    arguments: [
      "/20240230-05/2024", "/20240101-24/2024", "/20241301-05/2024", "/20240001-05/2024",
      "/20240101-05/2023", "/2024010１-05/2024", "/2024 101-05/2024", "/20240101-+5/2024", "",
      "20240101-05/2024", "/x/20240101-05/2024",
    ])
  func noInterval(_ address: String) throws {
    let template = try URITemplate("/{yyyyMMdd}-{HH}/{yyyy}")
    #expect(template.interval(at: "/20240229-05/2024")?.description == "2024-02-29T05")
    #expect(template.interval(at: address) == nil)
  }

  @Test("an hour's place is its start, and years have four digits") func edges() throws {
    let template = try URITemplate("{yyyy}{MM}{dd}{HH}")
    let late = CivilTime(year: 999, month: 12, day: 31, hour: 23).instant
    #expect(template.expand(IntervalLength.hour.interval(holding: late)) == "0999123123")
  }

  @Test(
    "templates that are none",
    arguments: [
      ("x", "no interval's time in the address"), ("", "no interval's time in the address"),
      ("{yyy}", "unknown placeholder '{yyy}'"), ("{mm}", "unknown placeholder '{mm}'"),
      ("{}", "unknown placeholder '{}'"), ("{-}", "unknown placeholder '{-}'"),
      ("{partition}", "unknown placeholder '{partition}'"), ("{yyyy", "'{' without its '}'"),
      ("yyyy}", "'}' without its '{'"),
      ("{yyyy}{HH}", "{HH} without {MM}: several intervals would share a file"),
      ("{MM}{dd}", "{dd} without {yyyy}: several intervals would share a file"),
      ("{yyyy}{dd}", "{dd} without {MM}: several intervals would share a file"),
    ])
  func mistakes(_ text: String, _ expected: String) throws {
    let found = ProjectTests.mistakes { try URITemplate(text) }
    #expect(found.count == 1)
    #expect(found[0].split(separator: "; ").first.map(String.init) == expected)
  }

  @Test(
    "locations",
    arguments: [
      ("a/b", "/base/a/b"), ("./a//b/../c/", "/base/a/c"), ("/x/./y/", "/x/y"), ("../../..", "/"),
      ("file:///x/y%20z", "/x/y z"), ("file:/x", "/x"), ("file://localhost/x", "/x"),
      ("FILE:///x", "/x"), ("s3://bucket/a//b", "s3://bucket/a//b"), ("S3://b/x", "s3://b/x"),
      ("https://h/a/../b", "https://h/a/../b"), ("gs://b", "gs://b"), ("a/b:c", "/base/a/b:c"),
      ("c:/x", "/base/c:/x"), ("x y*.txt", "/base/x y*.txt"),
    ])
  func locations(_ text: String, _ expected: String) throws {
    #expect(try Location.resolve(text, against: "/base") == expected)
  }

  @Test(
    "locations that are none",
    arguments: [
      ("htp://x", "no store understands 'htp:'; did you mean 'http'?"),
      ("ftp://x", "no store understands 'ftp:'; known are a path and: file, gs, http, https, s3"),
      ("s3:bucket", "'s3:' without a host or bucket; write s3://name/…"),
      ("s3:///x", "'s3:' without a host or bucket; write s3://name/…"),
      ("https://", "'https:' without a host or bucket; write https://name/…"),
      ("~/x", "'~' means nothing outside a shell; write ${HOME} instead"),
      (
        "file://host/x",
        "a 'file:' address needs an absolute path; write file:///…, or a plain path, which may be relative"
      ),
      (
        "file:x",
        "a 'file:' address needs an absolute path; write file:///…, or a plain path, which may be relative"
      ),
      ("file:///%zz", "a '%' that encodes nothing; write '%25' for a '%'"),
      ("file:///%00", "a '%' that encodes nothing; write '%25' for a '%'"),
      ("file:///%FF", "a 'file:' address that does not decode to UTF-8"),
    ])
  func badLocations(_ text: String, _ expected: String) {
    do throws(Location.Mistake) {
      _ = try Location.resolve(text, against: "/base")
      Issue.record("\(text) was taken")
    } catch {
      let advice = error.advice.map { "; \($0)" } ?? ""
      #expect(error.message + advice == expected)
    }
  }

  @Test("a password in an address is known to be one") func passwords() {
    #expect(Location.password(in: "https://u:p%40ss@h/x:y@z") == "p%40ss")
    #expect(Location.password(in: "https://h/u:p@x") == nil)
    #expect(Location.password(in: "https://u@h") == nil)
    #expect(Location.password(in: "/a:b@c") == nil)
  }
}
