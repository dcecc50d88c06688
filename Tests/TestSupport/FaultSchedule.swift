import Core
import Synchronization

/// What goes wrong between a client and an object store, decided by a seed.
///
/// Whether and how a request fails depends on the seed, its method, its key and which attempt it is,
/// and on nothing else: threads in another order meet the same faults (rule 37). Parts of keys that
/// differ from run to run, such as nonces, do not count.
public final class FaultSchedule: Sendable {
  public enum Dialect: Sendable { case s3, gs }

  public enum Kind: String, CaseIterable, Sendable {
    // Answers without the server.
    case internalError, slowDown, unavailable, tooMany, gateway, timeout, conflict
    case badDigest, expired, skewed, denied
    // Connections.
    case reset, silence, resetBody, closedBody, hangingBody, truncatedBody, longBody, corruptBody
    // What was sent arrives as something else.
    case damagedUpload
    // It has happened, but the client does not hear of it.
    case lost, lostAndFailed, lostInSilence
    // Listings.
    case stalePage, doubledPage, shortPage, lostPlace
  }

  /// A page of an older listing that may lack what was added since.
  private static let hiding: Set<Kind> = [.stalePage]
  /// What costs the client a time-out.
  private static let slow: Set<Kind> = [.silence, .hangingBody, .lostInSilence]
  private static let pageSize = 3

  public let seed: UInt64
  private let dialect: Dialect
  private let secret: String
  /// About one request in so many begins a series of faults.
  private let period: UInt64
  private let menu: [Kind]
  /// What the keys that are struck hold; empty for all. Without it few runs would come far.
  private let scope: String

  private struct State {
    var attempts: [String: Int] = [:]
    /// Earlier answers to requests for the first page, by what was listed.
    var firstPages: [String: [WebServer.Reply]] = [:]
    var struck: [String] = []
    var hasHidden = false
  }
  private let state = Mutex(State())

  /// - Parameters:
  ///   - secret: What servers echo in errors about credentials, as Amazon's do.
  ///   - mayHang: Whether to include what makes the client wait for its time-out.
  public init(seed: UInt64, _ dialect: Dialect, secret: String, mayHang: Bool = true) {
    self.seed = seed
    self.dialect = dialect
    self.secret = secret
    scope =
      ["", "tables", "exports", "sources", "", "state", "dumps", "items", "runs", "metadata"][
        Int(Self.mixed(seed) % 10)]
    period = (scope.isEmpty ? [10, 25, 60, 120] : [2, 5, 12, 30])[Int(Self.mixed(~seed) % 4)]
    let all = Kind.allCases.filter { mayHang || !FaultSchedule.slow.contains($0) }
    let drawn: [Kind] =
      switch seed % 5 {
      case 0: all
      case 1: [all[Int(seed / 5) % all.count]]
      case 2: (0..<4).map { all[Int(FaultSchedule.mixed(seed &+ $0) % UInt64(all.count))] }
      case 3: [.lost, .lostAndFailed, .lostInSilence, .conflict, .damagedUpload, .badDigest]
      default: all.filter { ![.denied, .expired, .skewed].contains($0) }
      }
    menu = drawn.filter { all.contains($0) }
  }

  /// What went wrong so far, in the order of arrival.
  public var struck: [String] { state.withLock { $0.struck } }
  /// Whether a listing may have lacked what was there.
  public var hasHidden: Bool { state.withLock { $0.hasHidden } }

  public func fault(for request: WebServer.Request) -> FaultProxy.Fault? {
    let page = page(request)
    let key = FaultSchedule.stable(request.target)
    let attempt = state.withLock { state in
      let attempt = state.attempts["\(request.method) \(key)", default: 0] + 1
      state.attempts["\(request.method) \(key)"] = attempt
      return attempt
    }
    let isMeant = scope.isEmpty || key.firstRange(of: scope) != nil
    let drawn = isMeant ? kind("\(request.method) \(key)", attempt) : nil
    let fault = drawn.flatMap { self.fault($0.kind, $0.number, request, page) }
    if let drawn, fault != nil {
      state.withLock {
        $0.struck.append("\(request.method) \(key) #\(attempt): \(drawn.kind)")
        if Self.hiding.contains(drawn.kind) { $0.hasHidden = true }
      }
    }
    return fault ?? page.map { paged($0, size: Self.pageSize) }
  }

  // MARK: - Chance

  /// The fault of an attempt: one that begins with it, or one of a series that began before.
  private func kind(_ key: String, _ attempt: Int) -> (kind: Kind, number: UInt64)? {
    for start in max(1, attempt - 11)...attempt {
      var number = FaultSchedule.mixed(FaultSchedule.hash("\(seed) \(key) \(start)"))
      guard number % period == 0 else { continue }
      number /= period
      let length: UInt64 =
        switch number % 10 {
        case 0..<7: 1
        case 7, 8: 2 + number / 10 % 3
        default: 5 + number / 10 % 8
        }
      guard attempt - start < Int(length) else { continue }
      number /= 100
      let kind = menu[Int(number % UInt64(menu.count))]
      // A series of time-outs would take the test's time and show nothing more.
      if attempt > start && Self.slow.contains(kind) { continue }
      return (kind, number / 64)
    }
    return nil
  }

  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  private static func mixed(_ number: UInt64) -> UInt64 {
    var generator = Seeded(number)
    return generator.next()
  }

  /// A target without what differs from run to run: digits and digests of eight and more characters,
  /// and the values of tokens.
  static func stable(_ target: String) -> String {
    var result = ""
    var run = ""
    func end() {
      result += run.utf8.count >= 8 ? "*" : run
      run = ""
    }
    for character in target.unicodeScalars {
      switch character {
      case "0"..."9", "a"..."f": run.unicodeScalars.append(character)
      default:
        end()
        result.unicodeScalars.append(character)
      }
    }
    end()
    for name in tokens + [".sluice-probe-"] {
      guard let start = result.firstRange(of: name)?.upperBound else { continue }
      let end = result[start...].firstIndex(of: "&") ?? result.endIndex
      result.replaceSubrange(start..<end, with: "*")
    }
    return result
  }

  private static let tokens = ["continuation-token=", "pageToken=", "upload_id=", "uploadId="]

  // MARK: - Listings

  /// A request for a page.
  private struct Page {
    /// What is listed.
    var listing: String
    var isFirst: Bool
  }

  private func page(_ request: WebServer.Request) -> Page? {
    let mark = dialect == .s3 ? "list-type=2" : "&maxResults="
    guard request.method == "GET", request.target.firstRange(of: mark) != nil else { return nil }
    let token = dialect == .s3 ? "&continuation-token=" : "&pageToken="
    let start = request.target.firstRange(of: token)?.lowerBound
    return Page(
      listing: String(request.target[..<(start ?? request.target.endIndex)]), isFirst: start == nil)
  }

  /// Asks for a small page, so that there are several; what comes is kept for later.
  private func paged(_ page: Page, size: Int) -> FaultProxy.Fault {
    .changes { [dialect] request in
      if dialect == .s3 {
        request.target += "&max-keys=\(size)"
      } else if let range = request.target.firstRange(of: "&maxResults=1000") {
        request.target.replaceSubrange(range, with: "&maxResults=\(size)")
      }
    } spoil: { [self] reply in
      guard reply.status == 200, page.isFirst else { return }
      state.withLock { $0.firstPages[page.listing, default: []].append(reply) }
    }
  }

  private func listingFault(_ kind: Kind, _ number: UInt64, _ page: Page) -> FaultProxy.Fault? {
    let earlier = state.withLock { $0.firstPages[page.listing] ?? [] }
    switch kind {
    case .stalePage: return page.isFirst ? earlier.first.map { .answers($0) } : nil
    case .doubledPage: return page.isFirst ? nil : earlier.last.map { .answers($0) }
    case .shortPage:
      // Google's may even be empty.
      return paged(page, size: dialect == .gs ? Int(number % 2) : 1)
    default:
      guard !page.isFirst else { return nil }
      return .answers(
        dialect == .s3
          ? FaultProxy.s3Error(400, "InvalidArgument")
          : FaultProxy.googleError(400, "invalid", "Invalid page token."))
    }
  }

  // MARK: - Faults

  private func fault(
    _ kind: Kind, _ number: UInt64, _ request: WebServer.Request, _ page: Page?
  ) -> FaultProxy.Fault? {
    let isWrite = request.method == "PUT" || request.method == "POST"
    switch kind {
    case .internalError: return .answers(error(500, "InternalError", "backendError"))
    case .slowDown: return .answers(error(503, "SlowDown", "rateLimitExceeded"))
    case .unavailable: return .answers(WebServer.Reply(503))
    case .tooMany: return .answers(WebServer.Reply(429, [("Retry-After", "1")]))
    case .gateway:
      return .answers(WebServer.Reply(502, [("Content-Type", "text/html")], text: "<html>"))
    case .timeout:
      return .answers(
        dialect == .s3 ? FaultProxy.s3Error(400, "RequestTimeout") : WebServer.Reply(408))
    case .conflict:
      guard isWrite else { return nil }
      return .answers(error(409, "ConditionalRequestConflict", "conflict"))
    case .badDigest:
      guard isWrite, dialect == .s3 else { return nil }
      return .answers(FaultProxy.s3Error(400, "BadDigest"))
    case .expired: return .answers(expired())
    case .skewed:
      guard dialect == .s3 else { return nil }
      return .answers(
        FaultProxy.s3Error(
          403, "RequestTimeTooSkewed", [("Date", "Tue, 14 Nov 2023 23:13:20 GMT")]))
    case .denied: return .answers(denied(number))

    case .reset: return .answers(WebServer.Reply(200, fault: .noAnswer))
    case .silence: return .answers(WebServer.Reply(200, fault: .silence))
    case .resetBody, .closedBody, .hangingBody, .truncatedBody, .longBody:
      return request.method == "HEAD" ? nil : .spoils { Self.spoil(&$0, kind, number) }
    case .corruptBody:
      // Listings and metadata have no checksum of their own, other than that of TLS.
      let isObject =
        dialect == .s3
        ? !request.target.contains("?") : request.target.firstRange(of: "alt=media") != nil
      guard request.method == "GET", isObject else { return nil }
      return .spoils { Self.spoil(&$0, kind, number) }

    case .damagedUpload:
      // Behind an object's bytes Google's uploads have 40 of a boundary.
      let end = request.body.count - (dialect == .s3 ? 0 : 40)
      guard isWrite, end > 0, dialect == .s3 || end > 400 else { return nil }
      let position = end - 1 - Int(number % UInt64(dialect == .s3 ? end : 8))
      return .changes { $0.body[position] ^= 1 }
    case .lost: return .losesAnswer
    case .lostAndFailed: return .replacesAnswer(error(500, "InternalError", "backendError"))
    case .lostInSilence: return .replacesAnswer(WebServer.Reply(200, fault: .silence))
    case .stalePage, .doubledPage, .shortPage, .lostPlace:
      return page.flatMap { listingFault(kind, number, $0) }
    }
  }

  private static func spoil(_ reply: inout WebServer.Reply, _ kind: Kind, _ number: UInt64) {
    let count = reply.body.count
    let part = Int(number % UInt64(count + 1))
    switch kind {
    case .resetBody: reply.fault = .reset(after: part)
    case .closedBody where part < count: reply.fault = .close(after: part)
    case .hangingBody where part < count: reply.fault = .hang(after: part)
    case .truncatedBody: reply.fault = .length(count + 1 + part)
    case .longBody where number % 2 == 0: reply.body += Array("more than there is".utf8)
    case .longBody: reply.fault = .length(count - part)
    case .corruptBody where part < count: reply.body[part] ^= 1
    default: break
    }
  }

  private func error(_ status: Int, _ code: String, _ reason: String) -> WebServer.Reply {
    dialect == .s3
      ? FaultProxy.s3Error(status, code) : FaultProxy.googleError(status, reason)
  }

  private func expired() -> WebServer.Reply {
    dialect == .s3
      ? FaultProxy.s3Error(400, "ExpiredToken", extra: "<Token-0>\(secret)</Token-0>")
      : FaultProxy.googleError(401, "authError", "Invalid Credentials: \(secret)")
  }

  private func denied(_ number: UInt64) -> WebServer.Reply {
    guard dialect == .s3 else { return FaultProxy.googleError(403, "forbidden", "no \(secret)") }
    guard number % 2 == 0 else { return FaultProxy.s3Error(403, "AccessDenied") }
    return FaultProxy.s3Error(
      403, "SignatureDoesNotMatch",
      extra: "<CanonicalRequest>x-amz-security-token:\(secret)</CanonicalRequest>")
  }
}
