import CCurl
import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What reads of objects have in common that differ only in address, range and headers.
struct PlainRead: Equatable {
  let isSecure: Bool
  let certificateFile: String?

  init?(_ request: HTTPRequest) {
    guard request.method == .get, case .none = request.body, request.isVerbatim,
      request.credentials == nil, !request.usesNetrc
    else { return nil }
    isSecure = request.isSecure
    certificateFile = request.certificateFile
  }
}

extension Line {
  /// Whether the environment names any proxy; libcurl would look for each variable at each connection.
  private static let namesProxy = [
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
  ].contains { (name: String) in getenv(name).map { $0.pointee != 0 } ?? false }

  static func isProxied(_ exchange: Exchange) -> Bool {
    exchange.configuration.usesProxies && namesProxy
  }

  /// Sets the options for a request: all anew, or after a plain read like it those that differ.
  ///
  /// - Returns: The request's headers, to be freed after the transfer.
  func configure(for exchange: Exchange) throws -> UnsafeMutablePointer<curl_slist>? {
    let request = exchange.request
    let list = try headers(of: request)
    let plain = PlainRead(request)
    if plain == nil || plain != standing {
      curl_easy_reset(easy)
      setCommon(exchange)
      setMethod(exchange)
      setFunctions()
      standing = plain
    }
    message[0] = 0
    set(CURLOPT_URL, request.url)
    if let range = request.range {
      let end = range.upperBound == .max ? "" : String(range.upperBound - 1)
      set(CURLOPT_RANGE, "\(range.lowerBound)-\(end)")
    } else {
      curl_set_text(easy, CURLOPT_RANGE, nil)
    }
    set(CURLOPT_HTTPHEADER, UnsafeMutableRawPointer(list))
    let context = Unmanaged.passUnretained(exchange).toOpaque()
    set(CURLOPT_HEADERDATA, context)
    set(CURLOPT_WRITEDATA, context)
    set(CURLOPT_READDATA, context)
    set(CURLOPT_SEEKDATA, context)
    return list
  }

  private func set(_ option: CURLoption, _ value: Int) { _ = curl_set_long(easy, option, value) }
  private func set(_ option: CURLoption, _ value: String?) {
    if let value { _ = curl_set_text(easy, option, value) }
  }
  private func set(_ option: CURLoption, _ value: UnsafeMutableRawPointer?) {
    _ = curl_set_pointer(easy, option, value)
  }

  private func setCommon(_ exchange: Exchange) {
    let request = exchange.request
    let configuration = exchange.configuration
    set(CURLOPT_ERRORBUFFER, UnsafeMutableRawPointer(message))
    set(CURLOPT_SHARE, UnsafeMutableRawPointer(share.handle))
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_PROTOCOLS_STR, "http,https")
    set(CURLOPT_REDIR_PROTOCOLS_STR, request.isSecure ? "https" : "http,https")
    set(CURLOPT_FOLLOWLOCATION, request.isVerbatim ? 0 : 1)
    set(CURLOPT_PATH_AS_IS, request.isVerbatim ? 1 : 0)
    set(CURLOPT_MAXREDIRS, configuration.maximumRedirects)
    set(CURLOPT_USERAGENT, configuration.userAgent)
    set(CURLOPT_CONNECTTIMEOUT_MS, configuration.connectMilliseconds)
    set(CURLOPT_TCP_KEEPALIVE, 1)
    set(CURLOPT_BUFFERSIZE, 256 << 10)
    set(CURLOPT_CAINFO, request.certificateFile ?? configuration.certificateFile)
    set(CURLOPT_CAPATH, configuration.certificateFolder)
    if !Line.isProxied(exchange) { set(CURLOPT_NOPROXY, "*") }
    set(CURLOPT_USERPWD, request.credentials)
    if request.usesNetrc && request.credentials == nil {
      set(CURLOPT_NETRC, Int(CURL_NETRC_OPTIONAL.rawValue))
      set(CURLOPT_NETRC_FILE, configuration.netrcFile)
    }
  }

  private func setMethod(_ exchange: Exchange) {
    let count = curl_off_t(exchange.bodyCount)
    switch exchange.request.method {
    case .get: set(CURLOPT_HTTPGET, 1)
    case .head: set(CURLOPT_NOBODY, 1)
    case .put:
      set(CURLOPT_UPLOAD, 1)
      curl_set_offset(easy, CURLOPT_INFILESIZE_LARGE, count)
    case .post:
      set(CURLOPT_POST, 1)
      curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, count)
    case .delete: set(CURLOPT_CUSTOMREQUEST, "DELETE")
    }
  }

  private func setFunctions() {
    curl_set_transfer(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
      Exchange.of(context).takeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
      return size * count
    }
    curl_set_transfer(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
      let piece = UnsafeRawBufferPointer(start: bytes, count: size * count)
      return piece.isEmpty || Exchange.of(context).takeBody(piece) ? piece.count : 0
    }
    curl_set_transfer(easy, CURLOPT_READFUNCTION) { buffer, size, count, context in
      let space = UnsafeMutableRawBufferPointer(start: buffer, count: size * count)
      return Exchange.of(context).giveBody(space) ?? Int(CURL_READFUNC_ABORT)
    }
    // For a redirect or a log-in that needs the body again.
    curl_set_seek(easy) { context, offset, origin in
      guard origin == 0 else { return CURL_SEEKFUNC_CANTSEEK }
      Exchange.of(context).rewindBody(to: Int64(offset))
      return CURL_SEEKFUNC_OK
    }
  }

  private func headers(of request: HTTPRequest) throws -> UnsafeMutablePointer<curl_slist>? {
    var list: UnsafeMutablePointer<curl_slist>?
    var statesEncoding = false
    for (name, value) in request.headers {
      guard Line.append(name, value, to: &list) else {
        curl_slist_free_all(list)
        throw TransportError(
          .failed, "a line break in a request's header", at: Place(file: redactedURL(request.url)))
      }
      statesEncoding = statesEncoding || isSameHeader(name, "accept-encoding")
    }
    if !statesEncoding { list = curl_slist_append(list, "Accept-Encoding: identity") }
    return list
  }

  /// Appends a header, put together on the stack: libcurl makes a copy of its own.
  ///
  /// - Returns: False where there is a line break in it, which would start a header of its own.
  private static func append(
    _ name: String, _ value: String, to list: inout UnsafeMutablePointer<curl_slist>?
  ) -> Bool {
    let byteCount = name.utf8.count + 2 + value.utf8.count
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: byteCount + 1) { line in
      var end = line.initialize(fromContentsOf: name.utf8)
      end = line[end...].initialize(fromContentsOf: ": ".utf8)
      end = line[end...].initialize(fromContentsOf: value.utf8)
      // Without a way out of the loop, it is done for many bytes at a time.
      var breaks: UInt8 = 0
      for byte in line[..<end] { breaks |= byte == 0x0A || byte == 0x0D || byte == 0 ? 1 : 0 }
      guard breaks == 0 else { return false }
      line.initializeElement(at: end, to: 0)
      line.withMemoryRebound(to: CChar.self) {
        list = curl_slist_append(list, $0.baseAddress)
      }
      return true
    }
  }
}

extension HTTPRequest {
  var isSecure: Bool {
    url.utf8.prefix(6).elementsEqual("https:".utf8) { $0 | 0x20 == $1 | 0x20 }
  }
}

extension Exchange {
  /// The exchange behind libcurl's user pointer; `Line.perform` keeps it alive.
  fileprivate static func of(_ context: UnsafeMutableRawPointer?) -> Exchange {
    Unmanaged<Exchange>.fromOpaque(context!).takeUnretainedValue()
  }
}
