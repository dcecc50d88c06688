import Core

/// Reads one document of event messages, envelopes in envelopes included.
struct EventReader {
  let place: Place
  private(set) var addresses: [String] = []
  /// Envelopes around what is being read.
  private var depth = 0

  init(place: Place) { self.place = place }

  /// - Throws: `PipelineError` `.badEvent`.
  mutating func read(_ json: JSON) throws {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 8 else { throw refusal("envelopes in more than 8 envelopes") }
    if let elements = json.array {
      for element in elements { try read(element) }
      return
    }
    guard let members = json.members else { throw refusal("a value that is no object") }
    // An empty answer to a pull.
    if members.isEmpty { return }
    if try readAmazon(json) { return }
    if try readGoogle(json) { return }
    try readPlain(json, members)
  }

  private mutating func readPlain(_ json: JSON, _ members: [JSON.Member]) throws {
    guard let address = json["address"]?.string else {
      let names = members.prefix(5).map { "'\($0.name.prefix(40))'" }.joined(separator: ", ")
      throw refusal("no known event message: an object with \(names)")
    }
    guard address.utf8.first == UInt8(ascii: "/") || address.contains(":/") else {
      throw refusal("'address' is neither an absolute path nor a URI")
    }
    addresses.append(address)
  }

  // MARK: - Amazon

  /// - Returns: Whether it was one of Amazon's shapes.
  private mutating func readAmazon(_ json: JSON) throws -> Bool {
    // What S3 sends once, when notifications are set up.
    if json["Event"]?.string == "s3:TestEvent" { return true }
    if let list = json["Records"]?.array ?? json["Messages"]?.array {
      for element in list { try read(element) }
    } else if let object = json["s3"] {
      var key = object["object"]?["key"]?.string
      if let encoded = key { key = try formDecoded(encoded) }
      try add("s3", object["bucket"]?["name"], key)
    } else if json["detail-type"] != nil, let detail = json["detail"] {
      try add("s3", detail["bucket"]?["name"], detail["object"]?["key"]?.string)
    } else if let message = json["Sns"] {
      try read(message)
    } else if let body = json["Body"] ?? json["body"] {
      try read(text: body)
    } else if let type = json["Type"]?.string, let message = json["Message"] {
      // The others tell of subscriptions.
      if type == "Notification" { try read(text: message) }
    } else {
      return false
    }
    return true
  }

  // MARK: - Google

  private mutating func readGoogle(_ json: JSON) throws -> Bool {
    if let list = json["receivedMessages"]?.array {
      for element in list { try read(element) }
    } else if let message = json["message"], message.members != nil {
      try read(message)
    } else if let attributes = json["attributes"], attributes["bucketId"] != nil {
      try add("gs", attributes["bucketId"], attributes["objectId"]?.string)
    } else if let bucket = json["bucket"], let name = json["name"] {
      try add("gs", bucket, name.string)
    } else if let data = json["data"] ?? json["data_base64"] {
      guard let text = data.string else {
        try read(data)
        return true
      }
      guard let bytes = base64Decoded(text) else { throw refusal("'data' is not base64") }
      try read(text: .string(String(decoding: bytes, as: UTF8.self)))
    } else {
      return false
    }
    return true
  }

  // MARK: - Parts

  /// What an envelope holds: JSON in a string.
  private mutating func read(text: JSON) throws {
    guard let text = text.string else { throw refusal("an envelope whose message is no string") }
    let inner: JSON
    do {
      inner = try JSON(parsing: text)
    } catch {
      throw refusal("an envelope whose message is not JSON: \(error.message)")
    }
    try read(inner)
  }

  private mutating func add(_ scheme: String, _ bucket: JSON?, _ key: String?) throws {
    guard let bucket = bucket?.string, !bucket.isEmpty, let key, !key.isEmpty else {
      throw refusal("an event that names no bucket and object")
    }
    addresses.append("\(scheme)://\(bucket)/\(key)")
  }

  /// S3 writes keys as forms do: `+` is a space, the rest is percent-encoded.
  private func formDecoded(_ text: String) throws -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
      case UInt8(ascii: "%"):
        let digits = rest.prefix(2)
        guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
          let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw refusal("a key with a % that two hexadecimal digits do not follow") }
        bytes.append(value)
        rest = rest.dropFirst(2)
      default: bytes.append(byte)
      }
    }
    guard let key = String(validating: bytes, as: UTF8.self) else {
      throw refusal("a key that does not decode to UTF-8")
    }
    return key
  }

  private func refusal(_ message: String) -> PipelineError {
    PipelineError(.badEvent, message, at: place, advice: ObjectEvents.advice, exitCode: 2)
  }
}

/// Base64 of either alphabet (RFC 4648), with or without padding; nil where it is not.
func base64Decoded(_ text: String) -> [UInt8]? {
  var bytes: [UInt8] = []
  var (bits, count): (UInt32, Int) = (0, 0)
  var isPadded = false
  for byte in text.utf8 {
    let value: UInt8
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - 97 + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - 48 + 52
    case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
    case UInt8(ascii: "="):
      isPadded = true
      continue
    case 0x09, 0x0A, 0x0D, 0x20: continue
    default: return nil
    }
    if isPadded { return nil }
    bits = bits << 6 | UInt32(value)
    count += 1
    if count == 4 {
      bytes += [UInt8(bits >> 16 & 0xFF), UInt8(bits >> 8 & 0xFF), UInt8(bits & 0xFF)]
      (bits, count) = (0, 0)
    }
  }
  switch count {
  case 0: break
  case 2: bytes.append(UInt8(bits >> 4 & 0xFF))
  case 3: bytes += [UInt8(bits >> 10 & 0xFF), UInt8(bits >> 2 & 0xFF)]
  default: return nil
  }
  return bytes
}
