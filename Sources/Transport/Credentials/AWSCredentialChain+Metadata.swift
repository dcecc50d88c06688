import Core

/// Credentials that a container's or a machine's host hands out.
extension AWSCredentialChain {
  /// Asks the address that ECS and EKS put into the environment.
  ///
  /// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
  func fromContainer(_ cancellation: Cancellation) throws -> AWSCredentials {
    guard let url = try AWSCredentialChain.containerAddress(environment) else {
      throw Absent("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and …_FULL_URI are not set")
    }
    // The token's file is replaced from time to time.
    var token = environment.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    if let path = environment.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
      guard let bytes = environment.file(path) else {
        throw broken("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names \(path), which cannot be read")
      }
      token = trimmed(String(decoding: bytes, as: UTF8.self))
    }
    if let token { Redaction.shared.register(token) }
    let (response, body) = try exchange(cancellation) {
      var request = HTTPRequest(.get, url, headers: [("Accept", "application/json")])
      if let token { request.headers.append(("Authorization", token)) }
      request.isVerbatim = true
      return request
    }
    guard response.isSuccess else { throw refused("the container's host", response, url) }
    return try parsed(body, from: url)
  }

  /// Where a container's host hands out credentials; nil where the environment does not say.
  ///
  /// - Throws: `.credentials` for an address that may not be asked.
  static func containerAddress(_ environment: AWSEnvironment) throws -> String? {
    if let relative = environment.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
      return "http://169.254.170.2" + relative
    }
    guard let url = environment.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") else { return nil }
    guard isTrusted(url) else {
      throw broken(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https: nor on this machine: "
          + redactedURL(url))
    }
    return url
  }

  /// Whether a token may be sent there, and credentials fetched, without TLS or with it.
  static func isTrusted(_ url: String) -> Bool {
    if url.lowercased().hasPrefix("https://") { return true }
    guard url.lowercased().hasPrefix("http://") else { return false }
    var host = URLParts(url).host
    if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
      host = String(host[..<end].dropFirst())
    } else {
      host = String(host.prefix { $0 != ":" })
    }
    let isLoopback =
      host == "localhost" || host == "::1"
      || (host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." })
    return isLoopback || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(host)
  }

  /// Asks the instance metadata service, version 2: a token first, then the role's name, then its
  /// credentials.
  ///
  /// Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
  func fromInstance(_ cancellation: Cancellation) throws -> AWSCredentials {
    if environment.flag("AWS_EC2_METADATA_DISABLED") == true {
      throw Absent("AWS_EC2_METADATA_DISABLED is set")
    }
    let isIPv6 =
      environment.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")?.lowercased() == "ipv6"
    var base =
      environment.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")
      ?? (isIPv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254")
    while base.hasSuffix("/") { base.removeLast() }
    var quick = HTTPConfiguration()
    quick.connectMilliseconds = 1000
    quick.stallMilliseconds = 2000
    let service = MetadataService(base: base, client: HTTPClient(configuration: quick))

    let token: HTTPReply
    do {
      token = try service.ask(
        .put, "/latest/api/token", [("X-aws-ec2-metadata-token-ttl-seconds", "300")],
        cancellation)
    } catch let error as TransportError {
      // On a machine that is not Amazon's nobody answers.
      throw Absent("nobody answers at \(base) (\(error.message))")
    }
    guard token.response.isSuccess else {
      throw Absent("no token from \(base) (HTTP \(token.response.status))")
    }
    let secret = String(decoding: token.body, as: UTF8.self)
    Redaction.shared.register(secret)
    let header = [("X-aws-ec2-metadata-token", secret)]
    let folder = "/latest/meta-data/iam/security-credentials/"
    let roles = try exchange(cancellation) { service.request(.get, folder, header) }
    let role = String(decoding: roles.body, as: UTF8.self).split(whereSeparator: \.isNewline).first
    guard roles.response.isSuccess, let role else {
      throw Absent("the instance has no role (HTTP \(roles.response.status))")
    }
    let answer = try exchange(cancellation) {
      service.request(.get, folder + uriEncoded(String(role)), header)
    }
    guard answer.response.isSuccess else {
      throw refused("instance metadata", answer.response, base + folder)
    }
    return try parsed(answer.body, from: base + folder)
  }

  private func refused(_ who: String, _ response: HTTPResponse, _ url: String) -> TransportError {
    TransportError(
      .credentials, "\(who) gives no credentials (HTTP \(response.status))",
      at: Place(file: redactedURL(url)), advice: "check the role it runs with")
  }

  private func parsed(_ body: [UInt8], from url: String) throws -> AWSCredentials {
    let json = try? JSON(parsing: body)
    guard let key = json?["AccessKeyId"]?.string, let secret = json?["SecretAccessKey"]?.string
    else {
      let reason = json?["Message"]?.string ?? json?["message"]?.string ?? json?["Code"]?.string
      throw TransportError(
        .credentials, "an answer without credentials\(reason.map { ": \($0)" } ?? "")",
        at: Place(file: redactedURL(url)), advice: "check the role it runs with")
    }
    return AWSCredentials(
      accessKeyID: key, secretAccessKey: secret, sessionToken: json?["Token"]?.string,
      expiration: json?["Expiration"]?.string.flatMap(isoInstant))
  }
}

private typealias HTTPReply = (response: HTTPResponse, body: [UInt8])

/// The service of a machine's host, which answers at once or not at all.
private struct MetadataService {
  let base: String
  let client: HTTPClient

  func request(
    _ method: HTTPRequest.Method, _ path: String, _ headers: [(name: String, value: String)]
  ) -> HTTPRequest {
    var request = HTTPRequest(method, base + path, headers: headers)
    request.isVerbatim = true
    return request
  }

  func ask(
    _ method: HTTPRequest.Method, _ path: String, _ headers: [(name: String, value: String)],
    _ cancellation: Cancellation
  ) throws -> HTTPReply {
    var body: [UInt8] = []
    let response = try client.send(request(method, path, headers), cancellation: cancellation) {
      body += $1
    }
    return (response, body)
  }
}
