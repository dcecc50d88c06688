import Core

/// Roles from the Security Token Service.
///
/// Source: https://docs.aws.amazon.com/STS/latest/APIReference/
extension AWSCredentialChain {
  /// Calls `AssumeRoleWithWebIdentity`, which takes no signature.
  ///
  /// - Parameter tokenPath: Read anew each time: whoever runs the machine replaces it.
  func assumeRole(
    _ role: String, session: String?, tokenPath: String, _ cancellation: Cancellation
  ) throws -> AWSCredentials {
    guard let bytes = environment.file(tokenPath) else {
      throw TransportError(
        .credentials, "the web identity token cannot be read", at: Place(file: tokenPath),
        advice: "check AWS_WEB_IDENTITY_TOKEN_FILE", exitCode: 2)
    }
    let token = trimmed(String(decoding: bytes, as: UTF8.self))
    Redaction.shared.register(token)
    return try ask(
      [
        ("Action", "AssumeRoleWithWebIdentity"), ("RoleArn", role),
        ("RoleSessionName", session ?? "sluice"), ("WebIdentityToken", token),
      ], as: nil, cancellation)
  }

  /// Calls `AssumeRole`.
  func assumeRole(
    _ role: String, _ profile: [String: String], as credentials: AWSCredentials,
    _ cancellation: Cancellation
  ) throws -> AWSCredentials {
    var fields = [
      ("Action", "AssumeRole"), ("RoleArn", role),
      ("RoleSessionName", profile["role_session_name"] ?? "sluice"),
    ]
    if let id = profile["external_id"] { fields.append(("ExternalId", id)) }
    if let seconds = profile["duration_seconds"] { fields.append(("DurationSeconds", seconds)) }
    return try ask(fields, as: credentials, cancellation)
  }

  private func ask(
    _ fields: [(String, String)], as credentials: AWSCredentials?, _ cancellation: Cancellation
  ) throws -> AWSCredentials {
    let region = environment.region ?? "us-east-1"
    let url = (environment.endpoint("STS") ?? ownAddress(region)) + "/"
    let body = Array(
      (fields + [("Version", "2011-06-15")]).map { "\($0)=\(uriEncoded($1))" }
        .joined(separator: "&").utf8)
    let (response, answer) = try exchange(cancellation) {
      var request = HTTPRequest(
        .post, url, headers: [("Content-Type", "application/x-www-form-urlencoded")],
        body: .bytes(body))
      request.isVerbatim = true
      request.certificateFile = environment.certificateFile
      if let credentials {
        signer.sign(
          &request, as: credentials, region: region, payload: .bytes(body),
          at: policy.clock.now())
      }
      return request
    }
    let texts = (try? xmlTexts(response.isSuccess ? answer : response.errorBody)) ?? [:]
    guard response.isSuccess, let key = texts["AccessKeyId"],
      let secret = texts["SecretAccessKey"], let token = texts["SessionToken"]
    else {
      let why = [texts["Code"], texts["Message"]].compactMap { $0 }.joined(separator: ": ")
      throw TransportError(
        .credentials,
        "STS gives no credentials for this role (HTTP \(response.status)\(why.isEmpty ? "" : ", \(why)"))",
        at: Place(file: redactedURL(url)), advice: "check the role and who it trusts", exitCode: 2)
    }
    return AWSCredentials(
      accessKeyID: key, secretAccessKey: secret, sessionToken: token,
      expiration: texts["Expiration"].flatMap(isoInstant))
  }

  /// Amazon's own STS in a region.
  func ownAddress(_ region: String) -> String {
    let isChina = region.hasPrefix("cn-")
    let domain =
      environment.usesDualStack
      ? isChina ? "api.amazonwebservices.com.cn" : "api.aws"
      : isChina ? "amazonaws.com.cn" : "amazonaws.com"
    // In GovCloud all addresses are validated; there is none of the other name.
    let hasName = environment.usesDualStack || !region.hasPrefix("us-gov-")
    return "https://sts\(environment.usesFIPS && hasName ? "-fips" : "").\(region).\(domain)"
  }

  /// Makes a request until there is an answer that stays. Asking twice for credentials does no harm,
  /// whatever the method.
  func exchange(
    _ cancellation: Cancellation, policy: RetryPolicy? = nil, _ request: () -> HTTPRequest
  ) throws -> (response: HTTPResponse, body: [UInt8]) {
    let policy = policy ?? self.policy
    return try policy.run(
      cancellation: cancellation, onRetry: { client.counters.add(retries: 1) }
    ) { _ in
      var body: [UInt8] = []
      do {
        let response = try client.send(request(), cancellation: cancellation) { body += $1 }
        guard response.isTransient else { return .done((response, body)) }
        return .again(.answer((response, body)), afterMilliseconds: policy.retryAfter(response))
      } catch let error as TransportError where error.isTransient {
        return .again(.failure(error), afterMilliseconds: nil)
      }
    }
  }
}

/// The instant that `2016-02-25T06:03:31Z` names, fractions of seconds and an offset allowed.
public func isoInstant(_ text: String) -> Instant? {
  guard text.utf8.count >= 20, text.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
  let bytes = Array(text.utf8)
  func number(_ range: Range<Int>) -> Int? {
    range.upperBound <= bytes.count ? Int(String(decoding: bytes[range], as: UTF8.self)) : nil
  }
  guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
    let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19)
  else { return nil }
  let time = CivilTime(
    year: year, month: month, day: day, hour: hour, minute: minute, second: second)
  guard time.isValid else { return nil }
  let zone = bytes[19...].drop { $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }
  switch zone.first {
  case UInt8(ascii: "Z") where zone.count == 1: return time.instant
  case UInt8(ascii: "+"), UInt8(ascii: "-"):
    let digits = zone.dropFirst().filter { $0 != UInt8(ascii: ":") }
    guard digits.count == 4, let value = Int(String(decoding: digits, as: UTF8.self)) else {
      return nil
    }
    let seconds = Int64(value / 100 * 3600 + value % 100 * 60)
    return time.instant.adding(seconds: zone.first == UInt8(ascii: "+") ? -seconds : seconds)
  default: return nil
  }
}
