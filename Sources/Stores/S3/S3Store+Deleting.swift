import Core
import Kernels
import Transport

extension S3Store {
  private static let maximumBatch = 1000

  /// Removes objects, up to a thousand with each `DeleteObjects`. What fails for a while is tried
  /// again; the rest is removed all the same, and the failures are told together.
  public func delete(_ keys: [String]) throws {
    guard let first = keys.first else { return }
    let name = keys.count == 1 ? first : "\(first) (and \(keys.count - 1) more)"
    for key in keys { _ = try self.name(of: key) }
    try counter.around("delete", name) {
      if keys.count == 1 { return try deleteOne(first) }
      var failures: [StoreError] = []
      for start in stride(from: 0, to: keys.count, by: S3Store.maximumBatch) {
        let batch = keys[start..<min(start + S3Store.maximumBatch, keys.count)]
        failures += try deleteBatch(Array(batch))
      }
      guard let failure = failures.first else { return }
      guard failures.count > 1 else { throw failure }
      throw StoreError(
        failure.code,
        "\(failures.count) of \(keys.count) objects could not be removed: "
          + failure.message, at: failure.place, advice: failure.advice, parts: failures)
    }
  }

  private func deleteOne(_ key: String) throws {
    let answer = try service.exchange(try request(.delete, key))
    guard answer.isSuccess || answer.isMissing else { throw answer.failure(at: uri(key)) }
  }

  /// - Returns: What could not be removed.
  private func deleteBatch(_ keys: [String]) throws -> [StoreError] {
    try service.policy.run(
      cancellation: .never, onRetry: { service.client.counters.add(retries: 1) }
    ) { _ in
      let answer = try service.exchange(deletion(of: keys))
      // Services that do not know the request take one key at a time.
      if answer.response.status == 501 || answer.code == "NotImplemented" {
        for key in keys { try deleteOne(key) }
        return .done([])
      }
      guard answer.isSuccess else { throw answer.failure(at: uri(keys[0])) }
      let (failures, isTransient) = try failures(in: answer)
      guard isTransient else { return .done(failures) }
      return .again(.answer(failures), afterMilliseconds: nil)
    }
  }

  private func deletion(of keys: [String]) -> S3Request {
    let objects = keys.map { "<Object><Key>\(xmlEscaped(base + $0))</Key></Object>" }.joined()
    let body = Array(
      ("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(objects)"
        + "<Quiet>true</Quiet></Delete>").utf8)
    var request = S3Request(method: .post, bucket: bucket)
    request.query = [("delete", "")]
    request.headers = [("Content-MD5", base64(md5(body))), ("Content-Type", "application/xml")]
    request.body = .bytes(body)
    request.payload = { .bytes(body) }
    return request
  }

  /// The objects that an answer names as not removed, and whether that may change.
  private func failures(in answer: S3Answer) throws -> ([StoreError], isTransient: Bool) {
    var failures: [StoreError] = []
    var isTransient = false
    var texts: [String: String] = [:]
    do {
      try readXML(answer.body) { name in
        if name == "Error" { texts = [:] }
      } ended: { name, text in
        texts[name] = text
        guard name == "Error", texts["Code"] != "NoSuchKey" else { return }
        let reason = S3Answer(code: texts["Code"], message: texts["Message"])
        isTransient = isTransient || reason.isTransient
        failures.append(
          reason.failure(at: "s3://\(bucket)/\(texts["Key"] ?? "")"))
      }
    } catch let error as TransportError {
      throw StoreError(.damaged, error.message, at: Place(file: root), advice: "run again")
    }
    return (failures, isTransient)
  }

  /// Copies an object inside S3, without its bytes coming here. Objects over 5 GB are refused by S3.
  ///
  /// - Parameter source: A key of this store.
  public func copy(_ source: String, to key: String, ifMatch: Version? = nil) throws -> Object {
    try counter.around("copy", key) {
      var request = try request(.put, key)
      request.headers = [
        ("x-amz-copy-source", uriEncoded("/\(bucket)/\(base)\(source)", keepsSlashes: true))
      ]
      if let ifMatch {
        request.headers.append(("x-amz-copy-source-if-match", ifMatch.rawValue))
      }
      request.headers += service.configuration.encryptionHeaders
      let answer = try service.exchange(request)
      guard answer.isSuccess else { throw answer.failure(at: uri(source)) }
      guard let object = try head(key) else {
        throw S3Answer(HTTPResponse(status: 404)).failure(at: uri(key))
      }
      return object
    }
  }
}

extension S3Answer {
  /// One object's part in an answer about several.
  init(code: String?, message: String?) {
    response = HTTPResponse(status: code == "AccessDenied" ? 403 : 200)
    body = []
    self.code = code
    self.message = message
    region = nil
  }
}

/// Text as it may stand in XML. Control characters, which XML cannot hold, as references.
func xmlEscaped(_ text: String) -> String {
  var escaped = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": escaped += "&amp;"
    case "<": escaped += "&lt;"
    case ">": escaped += "&gt;"
    case "\"": escaped += "&quot;"
    case "\u{0}"..."\u{1F}": escaped += "&#\(scalar.value);"
    default: escaped.unicodeScalars.append(scalar)
    }
  }
  return escaped
}
