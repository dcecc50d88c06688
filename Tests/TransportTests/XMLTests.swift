import Testing

@testable import Transport

struct XMLTests {
  @Test("elements come in order, with their own text")
  func elements() throws {
    var seen: [String] = []
    let text = "<?xml version=\"1.0\"?>\n<a><b>1 &amp; &#50;</b><c/><b><![CDATA[<3>]]></b>é</a>"
    try readXML(Array(text.utf8)) {
      seen.append("+\($0)")
    } ended: {
      seen.append("-\($0)=\($1)")
    }
    #expect(seen == ["+a", "+b", "-b=1 & 2", "+c", "-c=", "+b", "-b=<3>", "-a=é"])
  }

  @Test("the first leaf of each name counts")
  func texts() throws {
    let texts = try xmlTexts(Array("<r><x>1</x><x>2</x><y><x>3</x></y></r>".utf8))
    #expect(texts == ["x": "1"])
  }

  @Test(
    "what is no document, or has a document type",
    arguments: [
      "", "x", "<a>", "<a></b>", "<a/><a/>", "<a>&b;</a>", "<a>\u{1}</a>",
      "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<!DOCTYPE a><a/>",
    ])
  func malformed(_ text: String) {
    do {
      _ = try xmlTexts(Array(text.utf8))
      Issue.record("no failure")
    } catch let error as TransportError {
      #expect(error.code == .malformed)
    } catch {
      Issue.record("\(error)")
    }
  }
}
