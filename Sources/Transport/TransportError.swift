import CCurl
import Core

public enum TransportDomain: FailureDomain {
  public static let name = "transport"
}

/// Why no answer came. An answer with a bad status is an answer.
public typealias TransportError = Failure<TransportDomain>

extension Failure.Code where Domain == TransportDomain {
  /// The host's name has no address.
  public static var unresolved: Self { .init(rawValue: "unresolved") }
  /// Nobody answers at the host's or the proxy's address.
  public static var unreachable: Self { .init(rawValue: "unreachable") }
  /// No connection, or no byte, for longer than configured.
  public static var timedOut: Self { .init(rawValue: "timedOut") }
  /// The connection broke before the answer was whole.
  public static var interrupted: Self { .init(rawValue: "interrupted") }
  /// The server's certificate or the encryption is not acceptable.
  public static var tls: Self { .init(rawValue: "tls") }
  /// Too many redirects, or one to another protocol.
  public static var redirects: Self { .init(rawValue: "redirects") }
  public static var badURL: Self { .init(rawValue: "badURL") }
  /// The request's body cannot be read.
  public static var body: Self { .init(rawValue: "body") }
  /// Credentials are missing, unreadable or refused by whoever gives out tokens.
  public static var credentials: Self { .init(rawValue: "credentials") }
  /// An answer that is not in the form its protocol wants.
  public static var malformed: Self { .init(rawValue: "malformed") }
  public static var failed: Self { .init(rawValue: "failed") }
}

extension Failure where Domain == TransportDomain {
  /// Whether the same request may succeed later.
  public var isTransient: Bool {
    [.unresolved, .unreachable, .timedOut, .interrupted].contains(code)
  }

  /// - Parameter detail: libcurl's own words; empty where it has none.
  init(_ result: CURLcode, _ detail: String, url: String) {
    let (code, advice): (TransportError.Code, String?) =
      switch result {
      case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
        (.unresolved, "check the host's name, the network and the proxy settings")
      case CURLE_COULDNT_CONNECT:
        (.unreachable, "check the address, the network and the proxy settings")
      case CURLE_OPERATION_TIMEDOUT: (.timedOut, "the server or the network is too slow; try later")
      case CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING,
        CURLE_HTTP2, CURLE_HTTP2_STREAM, CURLE_SEND_FAIL_REWIND:
        (.interrupted, nil)
      // What comes is no head of HTTP: the rest of an earlier answer that was longer than it said, or
      // another kind of server.
      case CURLE_WEIRD_SERVER_REPLY: (.interrupted, "check the address and the proxy settings")
      case CURLE_UNSUPPORTED_PROTOCOL where detail.contains("HTTP/0.9"):
        (.interrupted, "check the address and the proxy settings")
      case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR:
        (
          .tls,
          "where the server uses a certificate authority of your own, name its file in "
            + "SSL_CERT_FILE or CURL_CA_BUNDLE, for S3 alone in AWS_CA_BUNDLE"
        )
      case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_SSL_CERTPROBLEM,
        CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_INVALIDCERTSTATUS:
        (.tls, nil)
      case CURLE_TOO_MANY_REDIRECTS: (.redirects, "look where the address leads in a browser")
      case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: (.badURL, "correct the address")
      default: (.failed, nil)
      }
    let text = detail.isEmpty ? String(cString: curl_easy_strerror(result)) : detail
    self.init(code, text, at: Place(file: redactedURL(url)), advice: advice)
  }
}
