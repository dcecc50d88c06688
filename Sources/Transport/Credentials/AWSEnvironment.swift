import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What the standard `AWS_*` variables and the files they name say.
///
/// Source: https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
public struct AWSEnvironment: Sendable {
  /// A variable's value; nil where it is not set or empty.
  public var variable: Environment
  /// The bytes of a file; nil where there is none.
  public var file: @Sendable (String) -> [UInt8]?

  public init(
    variable: @escaping Environment,
    file: @escaping @Sendable (String) -> [UInt8]? = readFile
  ) {
    self.variable = { name in variable(name).flatMap { $0.isEmpty ? nil : $0 } }
    self.file = file
  }

  /// A switch: `true`, `1`, `yes` and `on` turn it on; nil where it is not set.
  public func flag(_ name: String) -> Bool? {
    variable(name).map { ["1", "true", "yes", "on"].contains($0.lowercased()) }
  }

  // MARK: - Files

  public var profileName: String {
    variable("AWS_PROFILE") ?? variable("AWS_DEFAULT_PROFILE") ?? "default"
  }

  var credentialsPath: String {
    variable("AWS_SHARED_CREDENTIALS_FILE").map(expanded) ?? expanded("~/.aws/credentials")
  }

  var configPath: String {
    variable("AWS_CONFIG_FILE").map(expanded) ?? expanded("~/.aws/config")
  }

  /// The settings of a profile from both files; those of the credentials file win. nil where
  /// neither has the profile.
  public func profile(_ name: String) -> [String: String]? {
    let config = file(configPath).map { INIFile($0) }
    let section = name == "default" ? ["default", "profile default"] : ["profile \(name)"]
    let shared = file(credentialsPath).map { INIFile($0) }
    let found = section.compactMap { config?[$0] } + [shared?[name]].compactMap { $0 }
    guard !found.isEmpty else { return nil }
    return found.reduce(into: [:]) { all, one in all.merge(one) { $1 } }
  }

  /// The region for requests; nil where nothing names one.
  public var region: String? {
    variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? profile(profileName)?["region"]
  }

  /// The address that stands in for a service's own, without a trailing slash.
  ///
  /// - Parameter service: `S3`, `STS`.
  public func endpoint(_ service: String) -> String? {
    if flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == true { return nil }
    var text =
      (variable("AWS_ENDPOINT_URL_\(service)") ?? variable("AWS_ENDPOINT_URL")
      ?? profile(profileName)?["endpoint_url"])?[...]
    while text?.hasSuffix("/") == true { text!.removeLast() }
    return text.map { String($0) }
  }

  /// What a variable, or the profile, asks of Amazon's own addresses.
  private func isWanted(_ name: String, _ setting: String) -> Bool {
    flag(name) ?? (profile(profileName)?[setting]?.lowercased() == "true")
  }

  /// Whether requests go to the addresses whose cryptography is validated by FIPS 140.
  public var usesFIPS: Bool { isWanted("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint") }

  /// Whether requests go to the addresses that speak IPv6 as well.
  public var usesDualStack: Bool {
    isWanted("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")
  }

  /// How often a request is made at most, as it is written; nil where nothing says so.
  public var maximumAttempts: String? {
    variable("AWS_MAX_ATTEMPTS") ?? profile(profileName)?["max_attempts"]
  }

  /// A PEM file of the certificate authorities of AWS's services, or of what stands in for them; nil
  /// for those of all servers.
  public var certificateFile: String? {
    (variable("AWS_CA_BUNDLE") ?? profile(profileName)?["ca_bundle"]).map(expanded)
  }

  private func expanded(_ path: String) -> String {
    guard path.hasPrefix("~/"), let home = variable("HOME") else { return path }
    return home + path.dropFirst()
  }
}

/// A small file's bytes; nil where it cannot be read.
@Sendable public func readFile(_ path: String) -> [UInt8]? {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return nil }
  defer { close(file) }
  var bytes: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 16 << 10)
  while true {
    let count = read(file, &piece, piece.count)
    if count < 0 && errno == EINTR { continue }
    guard count >= 0 else { return nil }
    guard count > 0 else { return bytes }
    bytes += piece[..<count]
  }
}

/// `[section]` and `name = value` lines, as AWS's files have them. Lines that start with white space
/// belong to a nested setting and are passed over.
struct INIFile {
  private var sections: [String: [String: String]] = [:]

  init(_ bytes: [UInt8]) {
    var section = ""
    for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
      guard let first = line.first, !first.isWhitespace, first != "#", first != ";" else {
        continue
      }
      if first == "[", let end = line.firstIndex(of: "]") {
        section = line[..<end].dropFirst().split(whereSeparator: \.isWhitespace)
          .joined(separator: " ")
        if sections[section] == nil { sections[section] = [:] }
      } else if let equals = line.firstIndex(of: "=") {
        var value = trimmed(line[line.index(after: equals)...])
        // A comment needs white space before it: secrets may hold the sign itself.
        for mark in [" #", " ;", "\t#", "\t;"] {
          if let comment = value.firstRange(of: mark) {
            value = trimmed(value[..<comment.lowerBound][...])
          }
        }
        sections[section, default: [:]][trimmed(line[..<equals]).lowercased()] = value
      }
    }
  }

  subscript(section: String) -> [String: String]? { sections[section] }
}

/// Without white space at both ends.
func trimmed(_ text: some StringProtocol) -> String {
  var text = text[...].drop(while: \.isWhitespace)
  while text.last?.isWhitespace == true { text.removeLast() }
  return String(text)
}
