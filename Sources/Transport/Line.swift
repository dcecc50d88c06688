import CCurl
import Core

/// One transfer at a time, with the connections it has open: an easy handle in a multi handle of
/// its own, which unlike `curl_easy_perform` can be woken when the run is cancelled.
final class Line: @unchecked Sendable {
  // Only the thread that took the line from its client's pool touches it, except for
  // `curl_multi_wakeup`, which any thread may call.
  let easy: UnsafeMutableRawPointer
  private let multi: UnsafeMutableRawPointer
  let message: UnsafeMutablePointer<CChar>
  let share: SharedCaches
  /// What the handle's options are for; nil where they are for more than a plain read.
  var standing: PlainRead?

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
        // OpenSSL's writes raise the signal; libcurl's own do not.
        if exchange.request.isVerbatim, !exchange.request.isSecure, !Line.isProxied(exchange) {
          return try transfer(exchange, cancellation)
        }
        return try withoutBrokenPipeSignal { try transfer(exchange, cancellation) }
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
    exchange.response.effectiveURL = exchange.request.url
    var url: UnsafePointer<CChar>?
    // Nobody is led elsewhere with a request that is for one URL.
    if !exchange.request.isVerbatim,
      curl_get_text(easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK, let url
    {
      exchange.response.effectiveURL = String(cString: url)
    }
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
}
