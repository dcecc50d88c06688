import CCurl
import Core

/// One transfer at a time, with the connections it has open: an easy handle in a multi handle of
/// its own, which unlike `curl_easy_perform` can be woken when the run is cancelled.
final class Line: @unchecked Sendable {
  // Only the thread that took the line from its client's pool touches it, except for
  // `curl_multi_wakeup`, which any thread may call.
  private let easy: UnsafeMutableRawPointer
  private let multi: UnsafeMutableRawPointer
  private let message: UnsafeMutablePointer<CChar>
  private let share: SharedCaches

  private static let pollMilliseconds: Int32 = 200

  init(_ share: SharedCaches) {
    self.share = share
    easy = curl_easy_init()!
    multi = curl_multi_init()!
    message = .allocate(capacity: Int(CURL_ERROR_SIZE))
    message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
  }

  deinit {
    curl_easy_cleanup(easy)
    curl_multi_cleanup(multi)
    message.deallocate()
  }

  func perform(_ exchange: Exchange, _ cancellation: Cancellation) throws -> HTTPResponse {
    var result = try withExtendedLifetime(exchange) {
      let headers = try configure(for: exchange)
      defer { curl_slist_free_all(headers) }
      return try cancellation.withHandler({ self.wake() }) {
        try withoutBrokenPipeSignal { try transfer(exchange, cancellation) }
      }
    }
    if let thrown = exchange.thrown { throw thrown }
    let detail = String(cString: message)
    // A handshake that the network broke, rather than the certificate, is worth another try.
    if result == CURLE_SSL_CONNECT_ERROR {
      var number = 0
      curl_get_long(easy, CURLINFO_OS_ERRNO, &number)
      if number != 0 || detail.contains("SSL_ERROR_SYSCALL") { result = CURLE_RECV_ERROR }
    }
    guard result == CURLE_OK else {
      throw TransportError(result, detail, url: exchange.request.url)
    }

    var microseconds: curl_off_t = 0
    curl_get_offset(easy, CURLINFO_TOTAL_TIME_T, &microseconds)
    exchange.response.seconds = Double(microseconds) / 1e6
    var url: UnsafePointer<CChar>?
    curl_get_text(easy, CURLINFO_EFFECTIVE_URL, &url)
    exchange.response.effectiveURL = url.map { String(cString: $0) } ?? exchange.request.url
    return exchange.response
  }

  private func wake() { curl_multi_wakeup(multi) }

  private func transfer(_ exchange: Exchange, _ cancellation: Cancellation) throws -> CURLcode {
    curl_multi_add_handle(multi, easy)
    defer { curl_multi_remove_handle(multi, easy) }
    let stallSeconds = Double(exchange.configuration.stallMilliseconds) / 1000
    while true {
      var running: Int32 = 0
      let status = curl_multi_perform(multi, &running)
      guard status == CURLM_OK else {
        throw TransportError(
          .failed, String(cString: curl_multi_strerror(status)),
          at: Place(file: redactedURL(exchange.request.url)))
      }
      var result = CURLE_OK
      if curl_finished(multi, &result) != 0 { return result }
      try cancellation.check()
      let idle = monotonicSeconds() - exchange.lastActivity
      if idle > stallSeconds {
        throw TransportError(
          CURLE_OPERATION_TIMEDOUT,
          "nothing came from the server for \(exchange.configuration.stallMilliseconds) ms",
          url: exchange.request.url)
      }
      let wait = min(Int32((stallSeconds - idle) * 1000) + 1, Line.pollMilliseconds)
      curl_multi_poll(multi, nil, 0, wait, nil)
    }
  }

  /// Sets all options anew.
  ///
  /// - Returns: The request's headers, to be freed after the transfer.
  private func configure(for exchange: Exchange) throws -> UnsafeMutablePointer<curl_slist>? {
    let request = exchange.request
    let configuration = exchange.configuration
    curl_easy_reset(easy)
    message[0] = 0
    let context = Unmanaged.passUnretained(exchange).toOpaque()

    func set(_ option: CURLoption, _ value: Int) { _ = curl_set_long(easy, option, value) }
    func set(_ option: CURLoption, _ value: String?) {
      if let value { _ = curl_set_text(easy, option, value) }
    }
    func set(_ option: CURLoption, _ value: UnsafeMutableRawPointer?) {
      _ = curl_set_pointer(easy, option, value)
    }

    set(CURLOPT_ERRORBUFFER, UnsafeMutableRawPointer(message))
    set(CURLOPT_SHARE, UnsafeMutableRawPointer(share.handle))
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_URL, request.url)
    let isSecure = request.url.utf8.prefix(6).elementsEqual("https:".utf8) {
      $0 | 0x20 == $1 | 0x20
    }
    set(CURLOPT_PROTOCOLS_STR, "http,https")
    set(CURLOPT_REDIR_PROTOCOLS_STR, isSecure ? "https" : "http,https")
    set(CURLOPT_FOLLOWLOCATION, request.isVerbatim ? 0 : 1)
    set(CURLOPT_PATH_AS_IS, request.isVerbatim ? 1 : 0)
    set(CURLOPT_MAXREDIRS, configuration.maximumRedirects)
    set(CURLOPT_USERAGENT, configuration.userAgent)
    set(CURLOPT_CONNECTTIMEOUT_MS, configuration.connectMilliseconds)
    set(CURLOPT_TCP_KEEPALIVE, 1)
    set(CURLOPT_BUFFERSIZE, 256 << 10)
    set(CURLOPT_CAINFO, configuration.certificateFile)
    set(CURLOPT_CAPATH, configuration.certificateFolder)
    if !configuration.usesProxies { set(CURLOPT_NOPROXY, "*") }
    set(CURLOPT_USERPWD, request.credentials)
    if request.usesNetrc && request.credentials == nil {
      set(CURLOPT_NETRC, Int(CURL_NETRC_OPTIONAL.rawValue))
      set(CURLOPT_NETRC_FILE, configuration.netrcFile)
    }

    if let range = request.range {
      let end = range.upperBound == .max ? "" : String(range.upperBound - 1)
      set(CURLOPT_RANGE, "\(range.lowerBound)-\(end)")
    }
    setMethod(exchange)

    curl_set_transfer(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
      Exchange.of(context).takeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
      return size * count
    }
    set(CURLOPT_HEADERDATA, context)
    curl_set_transfer(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
      let piece = UnsafeRawBufferPointer(start: bytes, count: size * count)
      return piece.isEmpty || Exchange.of(context).takeBody(piece) ? piece.count : 0
    }
    set(CURLOPT_WRITEDATA, context)

    var lines = request.headers.map { "\($0.name): \($0.value)" }
    if !request.headers.contains(where: { isSameHeader($0.name, "accept-encoding") }) {
      lines.append("Accept-Encoding: identity")
    }
    var list: UnsafeMutablePointer<curl_slist>?
    for line in lines {
      // A line break in a value would be a header of its own.
      guard !line.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D || $0 == 0 }) else {
        curl_slist_free_all(list)
        throw TransportError(
          .failed, "a line break in a request's header", at: Place(file: redactedURL(request.url)))
      }
      list = curl_slist_append(list, line)
    }
    set(CURLOPT_HTTPHEADER, UnsafeMutableRawPointer(list))
    return list
  }

  private func setMethod(_ exchange: Exchange) {
    let context = Unmanaged.passUnretained(exchange).toOpaque()
    let count = curl_off_t(exchange.bodyCount)
    switch exchange.request.method {
    case .get: curl_set_long(easy, CURLOPT_HTTPGET, 1)
    case .head: curl_set_long(easy, CURLOPT_NOBODY, 1)
    case .put:
      curl_set_long(easy, CURLOPT_UPLOAD, 1)
      curl_set_offset(easy, CURLOPT_INFILESIZE_LARGE, count)
    case .post:
      curl_set_long(easy, CURLOPT_POST, 1)
      curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, count)
    case .delete: curl_set_text(easy, CURLOPT_CUSTOMREQUEST, "DELETE")
    }
    curl_set_transfer(easy, CURLOPT_READFUNCTION) { buffer, size, count, context in
      let space = UnsafeMutableRawBufferPointer(start: buffer, count: size * count)
      return Exchange.of(context).giveBody(space) ?? Int(CURL_READFUNC_ABORT)
    }
    curl_set_pointer(easy, CURLOPT_READDATA, context)
    // For a redirect or a log-in that needs the body again.
    curl_set_seek(easy) { context, offset, origin in
      guard origin == 0 else { return CURL_SEEKFUNC_CANTSEEK }
      Exchange.of(context).rewindBody(to: Int64(offset))
      return CURL_SEEKFUNC_OK
    }
    curl_set_pointer(easy, CURLOPT_SEEKDATA, context)
  }
}

extension Exchange {
  /// The exchange behind libcurl's user pointer; `Line.perform` keeps it alive.
  fileprivate static func of(_ context: UnsafeMutableRawPointer?) -> Exchange {
    Unmanaged<Exchange>.fromOpaque(context!).takeUnretainedValue()
  }
}
