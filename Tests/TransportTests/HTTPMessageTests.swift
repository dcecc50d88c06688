import Core
import Synchronization
import TestSupport
import Testing

@testable import Transport

/// What requests and answers consist of, byte by byte.
struct HTTPMessageTests {
  @Test(
    "names of headers are the same in whatever case, and only letters have one",
    arguments: [
      ("", "", true), ("ETag", "etag", true), ("eTAG", "EtAg", true), ("ETag", "ETags", false),
      ("x-amz-checksum-crc64nvme", "X-Amz-Checksum-CRC64NVME", true),
      ("x-amz-checksum-crc64nvme", "X-Amz-Checksum-CRC64NVMF", false),
      ("a@b", "a`b", false), ("a[b", "a{b", false), ("a-b", "a\rb", false), ("é", "É", false),
    ])
  func names(_ a: String, _ b: String, _ isSame: Bool) {
    #expect(isSameHeader(a, b) == isSame)
    #expect(isSameHeader(b, a) == isSame)
  }

  @Test("the first header of a name is found, and none where there is none")
  func lookUp() {
    var response = HTTPResponse(status: 200)
    #expect(response["a"] == nil)
    response.headers = [("B", "1"), ("A", "2"), ("a", "3"), ("Content-Length", "4")]
    #expect(response["a"] == "2")
    #expect(response["c"] == nil)
    #expect(response.contentLength == 4)
  }

  @Test("headers of every length arrive as they are", arguments: [0, 1, 15, 16, 1023, 1024, 5000])
  func lengths(_ count: Int) throws {
    let server = WebServer { .init(200, text: $0.headers["x-long"] ?? "none") }
    defer { server.stop() }
    let value = String(repeating: "é", count: count / 2) + String(repeating: "v", count: count % 2)
    let (_, body) = try HTTPClient().fetch(
      HTTPRequest(.get, server.address, headers: [("X-Long", value)]))
    #expect(String(decoding: body, as: UTF8.self) == (value.isEmpty ? "none" : value))
  }

  @Test(
    "nothing that ends a line can be in a header",
    arguments: ["\n", "\r", "\r\n", "\0", "b\nC: d", String(repeating: "x", count: 2000) + "\n"])
  func breaks(_ text: String) throws {
    let server = WebServer { _ in .init(200) }
    defer { server.stop() }
    for header in [("A", text), ("A\(text)", "b")] {
      #expect(throws: TransportError.self) {
        try HTTPClient().send(HTTPRequest(.get, server.address, headers: [("Z", "z"), header]))
      }
    }
    #expect(server.requests.isEmpty)
  }

  @Test("dates of every month are understood, and nothing that only looks like one")
  func dates() {
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    for (index, month) in months.enumerated() {
      let time = CivilTime(year: 2024, month: index + 1, day: 9, hour: 8, minute: 7, second: 6)
      #expect(httpDate("Tue, 09 \(month) 2024 08:07:06 GMT") == time.instant)
    }
    // A form of old, which libcurl knows.
    let old = CivilTime(year: 1994, month: 11, day: 6, hour: 8, minute: 49, second: 37)
    #expect(httpDate("Sunday, 06-Nov-94 08:49:37 GMT") == old.instant)
    for text in ["", "soon", "Tue, 09 anF 2024 08:07:06 GMT", "Tue, 0x Feb 2024 08:07:06 GMT"] {
      #expect(httpDate(text) == nil, "\(text)")
    }
  }

  @Test("threads count together")
  func counters() {
    let counters = TransferCounters()
    onThreads(count: 4) { _ in
      for _ in 0..<1000 {
        counters.add(requests: 1, retries: 2, bytesReceived: 3, bytesSent: 4)
        counters.add(bytesReceived: 1 << 32)
      }
    }
    #expect(
      counters.snapshot
        == .init(
          requests: 4000, retries: 8000, bytesReceived: 4000 * (3 + (1 << 32)), bytesSent: 16_000))
  }
}
