import Core
import Testing

@testable import Stores

struct StoreURITests {
  static let cases: [(String, root: String, store: String, key: String)] = [
    ("/a/b", "/a/b", "/a", "b"),
    ("/a/b%20c+d?e#f", "/a/b%20c+d?e#f", "/a", "b%20c+d?e#f"),
    ("/a//b/./c/../d/", "/a/b/d", "/a/b", "d"),
    ("/..", "", "", ""),
    ("rel/x", "/base/rel/x", "/base/rel", "x"),
    ("../x", "/x", "", "x"),
    ("a:b/c", "/base/a:b/c", "/base/a:b", "c"),
    ("file:/a/b%20c", "/a/b c", "/a", "b c"),
    ("file:///a/b%2Bc+d", "/a/b+c+d", "/a", "b+c+d"),
    ("file://localhost/%C3%A9", "/é", "", "é"),
    ("FILE:///a", "/a", "", "a"),
    (
      "http://Host:80/a%20b/c?d=/e#f", "http://host:80/a%20b/c?d=/e", "http://host:80",
      "a%20b/c?d=/e"
    ),
    ("https://h", "https://h", "https://h", ""),
    ("https://h/", "https://h", "https://h", ""),
    ("https://h?x", "https://h/?x", "https://h", "?x"),
    ("https://u:p%40ss@h/x", "https://h/x", "https://h", "x"),
    ("gs://b-u.k_t/a b//c%20?d#e", "gs://b-u.k_t/a b//c%20?d#e", "gs://b-u.k_t", "a b//c%20?d#e"),
    ("GS://b/a/../b/", "gs://b/a/../b", "gs://b", "a/../b/"),
    ("gs://b//x", "gs://b//x", "gs://b", "/x"),
    ("s3://b-k.t/a b//c%20?d#e", "s3://b-k.t/a b//c%20?d#e", "s3://b-k.t", "a b//c%20?d#e"),
    ("S3://b/a/../b/", "s3://b/a/../b", "s3://b", "a/../b/"),
  ]

  @Test("addresses are taken apart", arguments: cases)
  func parts(_ text: String, _ root: String, _ store: String, _ key: String) throws {
    let uri = try StoreURI(text, relativeTo: "/base")
    #expect(uri.root == root)
    if root.isEmpty {
      expectFailure(.badAddress) { try uri.split() }
    } else {
      #expect(try uri.split() == (store, key))
    }
  }

  @Test(
    "what no store understands",
    arguments: [
      "", "rel", "file:", "file://other/x", "file://", "file:///a%2", "file:///a%zz",
      "file:///a%00b",
      "file:///a%2Fb", "file:///%FF", "http:/x", "https://", "https:///x", "http://a b/",
      "http://h/a\nb", "s3://", "s3:b/x", "s3://k@b/x", "gs://", "gs:b/x", "gs://k@b/x",
      "gs://b?/x", "htps://h/x", "ftp://h/x", "/a\0b",
      "file:///+%+1",
    ])
  func refused(_ text: String) {
    let error = expectFailure(.badAddress) { try StoreURI(text) }
    #expect(error?.exitCode == 2)
    #expect(error?.advice != nil)
  }

  @Test("mistyped schemes get the nearest one")
  func suggestion() {
    let error = expectFailure(.badAddress) { try StoreURI("htps://h/x") }
    #expect(error?.advice?.contains("https:") == true)
  }

  @Test("a password is in no text that is shown")
  func password() throws {
    let uri = try StoreURI("https://u:canary-pw@h/x")
    #expect(!"\(uri)\(uri.root)".contains("canary"))
    #expect(uri.credentials == "u:canary-pw")
    #expect(Redaction.shared.redact("is canary-pw") == "is ***")
    #expect(try StoreURI("https://u:a%2Fb%3Ac@h/x").credentials == "u:a/b:c")
    _ = try StoreURI("https://canary-token@h/x")
    #expect(Redaction.shared.redact("is canary-token") == "is ***")
    let error = expectFailure(.badAddress) { try StoreURI("s3://key:canary2@bucket/x") }
    #expect(error?.description.contains("canary2") == false)
  }

  @Test("a bucket is a store, and a prefix in it, too")
  func buckets() throws {
    let opener = StoreOpener()
    for (address, bucket, prefix) in [
      ("gs://b", "b", ""), ("gs://b/", "b", ""), ("gs://b/x", "b", "x/"),
      ("gs://b/x//", "b", "x//"),
    ] {
      let store = try #require(try opener.open(address) as? GCSStore)
      #expect(store.bucket == bucket)
      #expect(store.prefix == prefix)
      #expect(store.uri("k") == "gs://\(bucket)/\(prefix)k")
      let (again, key) = try opener.locate(store.uri("k"))
      #expect(again.root == "gs://b")
      #expect(key == "\(prefix)k")
    }
    for address in ["gs://b", "gs://b/"] {
      expectFailure(.badAddress) { try opener.locate(address) }
    }
  }

  @Test("one address is one store")
  func opener() throws {
    let opener = StoreOpener()
    #expect(try opener.open("/a/b/").root == "/a/b")
    #expect(try opener.open("x", relativeTo: "/a").root == "/a/x")
    let (store, key) = try opener.locate("https://h/a/b?c")
    #expect(store is HTTPStore)
    #expect(store.root == "https://h")
    #expect(key == "a/b?c")
    #expect(store.uri(key) == "https://h/a/b?c")
  }
}
