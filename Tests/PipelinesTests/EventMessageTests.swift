import Core
import Foundation
import Testing

@testable import Pipelines

@Suite("event messages") struct EventMessageTests {
  struct Message: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var text: String
    var addresses: [String]
    init(_ name: String, _ text: String, _ addresses: [String]) {
      (testDescription, self.text, self.addresses) = (name, text, addresses)
    }
  }

  /// `text` as a JSON string.
  static func quoted(_ text: String) -> String { JSON.string(text).description }

  static func record(_ key: String, _ event: String = "ObjectCreated:Put") -> String {
    """
    {"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-west-2",
     "eventTime": "1970-01-01T00:00:00.000Z", "eventName": "\(event)",
     "userIdentity": {"principalId": "A"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
     "responseElements": {"x-amz-request-id": "C3D1", "x-amz-id-2": "FMyU"},
     "s3": {"s3SchemaVersion": "1.0", "configurationId": "all",
      "bucket": {"name": "lake", "ownerIdentity": {"principalId": "A"}, "arn": "arn:aws:s3:::lake"},
      "object": {"key": "\(key)", "size": 1024, "eTag": "d41d", "sequencer": "0055AED6DCD90281E5"}}}
    """
  }

  static let s3 =
    #"{"Records": [\#(record("in/a.csv")), \#(record("in/b.csv", "ObjectRemoved:Delete"))]}"#
  static let sns = """
    {"Type": "Notification", "MessageId": "22b8", "TopicArn": "arn:aws:sns:us-west-2:1:t",
     "Subject": "Amazon S3 Notification", "Message": \(quoted(s3)),
     "Timestamp": "2012-05-02T00:54:06.655Z", "SignatureVersion": "1", "Signature": "E"}
    """
  static let resource = """
    {"kind": "storage#object", "id": "b/in/ü b.csv/1", "selfLink": "https://www.googleapis.com/x",
     "name": "in/ü b.csv", "bucket": "b", "generation": "1", "size": "9", "crc32c": "AAAAAA=="}
    """
  static let resourceBase64 = Data(resource.utf8).base64EncodedString()
  static let attributes = """
    {"bucketId": "b", "objectId": "in/a+b%.csv", "eventType": "OBJECT_FINALIZE",
     "objectGeneration": "1", "payloadFormat": "NONE",
     "notificationConfig": "projects/_/buckets/b/notificationConfigs/1"}
    """

  static let messages: [Message] = [
    .init("nothing", "", []),
    .init("white space", " \n\t\r\n", []),
    .init("an empty answer", "{}", []),
    .init("an empty list", "[]", []),
    .init("S3", s3, ["s3://lake/in/a.csv", "s3://lake/in/b.csv"]),
    .init(
      "S3, encoded key",
      #"{"Records": [\#(record("red+flower%2B%25/%C3%BC//x%20y.csv"))]}"#,
      ["s3://lake/red flower+%/ü//x y.csv"]),
    .init(
      "S3, test event",
      #"{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake", "RequestId": "5"}"#, []),
    .init(
      "SQS, received",
      #"{"Messages": [{"MessageId": "1", "ReceiptHandle": "A", "MD5OfBody": "x", "Body": \#(quoted(s3))}]}"#,
      ["s3://lake/in/a.csv", "s3://lake/in/b.csv"]),
    .init(
      "SQS, to a function",
      #"{"Records": [{"messageId": "1", "body": \#(quoted(s3)), "eventSource": "aws:sqs"}]}"#,
      ["s3://lake/in/a.csv", "s3://lake/in/b.csv"]),
    .init("SNS", sns, ["s3://lake/in/a.csv", "s3://lake/in/b.csv"]),
    .init(
      "SNS in SQS", #"{"Messages": [{"MessageId": "1", "Body": \#(quoted(sns))}]}"#,
      ["s3://lake/in/a.csv", "s3://lake/in/b.csv"]),
    .init(
      "SNS, to a function", #"{"Records": [{"EventSource": "aws:sns", "Sns": \#(sns)}]}"#,
      ["s3://lake/in/a.csv", "s3://lake/in/b.csv"]),
    .init(
      "SNS, subscription",
      #"{"Type": "SubscriptionConfirmation", "Message": "You have chosen", "Token": "2"}"#, []),
    .init(
      "EventBridge",
      """
      {"version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3",
       "account": "111122223333", "time": "2021-11-12T00:00:00Z", "region": "ca-central-1",
       "resources": ["arn:aws:s3:::lake"],
       "detail": {"version": "0", "bucket": {"name": "lake"}, "reason": "PutObject",
        "object": {"key": "a+b%20c.csv", "size": 5, "etag": "b1", "sequencer": "61"}}}
      """, ["s3://lake/a+b%20c.csv"]),
    .init(
      "Pub/Sub, pushed",
      #"{"message": {"attributes": \#(attributes), "messageId": "1"}, "subscription": "projects/p"}"#,
      ["gs://b/in/a+b%.csv"]),
    .init(
      "Pub/Sub, pushed with the resource only",
      #"{"message": {"data": "\#(resourceBase64)", "messageId": "1"}}"#, ["gs://b/in/ü b.csv"]),
    .init(
      "Pub/Sub, pulled",
      #"{"receivedMessages": [{"ackId": "x", "message": {"attributes": \#(attributes)}}]}"#,
      ["gs://b/in/a+b%.csv"]),
    .init(
      "Pub/Sub, pulled by its command",
      #"[{"ackId": "x", "message": {"attributes": \#(attributes), "data": "\#(resourceBase64)"}}]"#,
      ["gs://b/in/a+b%.csv"]),
    .init("GCS, the resource itself", resource, ["gs://b/in/ü b.csv"]),
    .init(
      "GCS, CloudEvent",
      #"{"specversion": "1.0", "type": "google.cloud.storage.object.v1.finalized", "id": "1", "data": \#(resource)}"#,
      ["gs://b/in/ü b.csv"]),
    .init(
      "plain, a line each, one twice",
      #"""
      {"address": "/data/a \"{.csv"}
      {"address": "s3://b/x"}
      {"address": "/data/a \"{.csv"}

      """#, ["/data/a \"{.csv", "s3://b/x"]),
    .init("plain, no space between", #"{"address":"/a"}{"address":"/b"}[]"#, ["/a", "/b"]),
    .init("a byte order mark", "\u{FEFF}" + #"{"address": "file:///a"}"#, ["file:///a"]),
    .init("a record separator", "\u{1E}" + #"{"address": "/a"}"# + "\n", ["/a"]),
  ]

  @Test("of every shape name their objects", arguments: messages)
  func shapes(_ message: Message) throws {
    let found = try ObjectEvents.addresses(in: Array(message.text.utf8), from: "x")
    #expect(found == message.addresses)
  }

  @Test(
    "that cannot be understood are refused with their line",
    arguments: [
      ("{\"address\": \"/a\"}\n\n{\"address\": }", 3, "not JSON"),
      ("{\"address\": \"/a\"}\n{\"address\":\n  \"/b\"", 3, "not JSON"),
      ("{\"address\": \"/a\"}\nhello\n", 2, "not JSON"),
      ("}", 1, "not JSON"),
      ("\"text\"", 1, "no object"),
      ("17", 1, "no object"),
      ("\n{\"foo\": 1, \"bar\": 2}", 2, "'foo', 'bar'"),
      ("{\"address\": \"data/a.csv\"}", 1, "absolute"),
      ("{\"address\": 5}", 1, "'address'"),
      ("{\"Records\": [{\"s3\": {\"bucket\": {\"name\": \"b\"}}}]}", 1, "no bucket and object"),
      (#"{"s3": {"bucket": {"name": "b"}, "object": {"key": "a%2"}}}"#, 1, "hexadecimal"),
      (#"{"s3": {"bucket": {"name": "b"}, "object": {"key": "a%FF"}}}"#, 1, "UTF-8"),
      (#"{"Messages": [{"Body": "hello"}]}"#, 1, "not JSON"),
      (#"{"message": {"data": "%%%"}}"#, 1, "base64"),
      (String(repeating: "[", count: 20) + String(repeating: "]", count: 20), 1, "8 envelopes"),
    ])
  func refused(_ text: String, _ line: Int, _ words: String) {
    let error = #expect(throws: PipelineError.self) {
      try ObjectEvents.addresses(in: Array(text.utf8), from: "events.json")
    }
    #expect(error?.code == .badEvent)
    #expect(error?.exitCode == 2)
    #expect(error?.place.file == "events.json")
    #expect(error?.place.line == line)
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
  }

  @Test("base64 is what Foundation makes of it, in both alphabets", arguments: 0..<40)
  func base64(_ count: Int) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 179 &+ count &* 31) }
    let text = Data(bytes).base64EncodedString()
    #expect(base64Decoded(text) == bytes)
    let url = text.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    #expect(base64Decoded(url) == bytes)
    #expect(base64Decoded(text + "!") == nil)
  }
}
