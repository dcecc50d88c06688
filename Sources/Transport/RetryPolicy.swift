import CCurl
import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How often and after which pauses something is tried again.
///
/// The pause before try *n* + 1 is random in the upper half of `base × 2ⁿ⁻¹`, at most `maximum`, so
/// that clients that failed together do not come back together; or what the server asked for in
/// `Retry-After`.
public struct RetryPolicy: Sendable {
  public var maximumAttempts: Int
  public var baseMilliseconds: Int64
  public var maximumMilliseconds: Int64
  /// A server that asks for a longer pause than this is given up on at once.
  public var maximumRetryAfterMilliseconds: Int64
  public var clock: Clock
  /// A number in `0..<1`.
  public var random: @Sendable () -> Double

  public init(
    maximumAttempts: Int = 6, baseMilliseconds: Int64 = 200, maximumMilliseconds: Int64 = 20_000,
    maximumRetryAfterMilliseconds: Int64 = 120_000, clock: Clock = .system,
    random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
  ) {
    self.maximumAttempts = maximumAttempts
    self.baseMilliseconds = baseMilliseconds
    self.maximumMilliseconds = maximumMilliseconds
    self.maximumRetryAfterMilliseconds = maximumRetryAfterMilliseconds
    self.clock = clock
    self.random = random
  }

  /// One try, once.
  public static let never = RetryPolicy(maximumAttempts: 1)

  /// How one try ended.
  public enum Attempt<Result> {
    case done(Result)
    /// Try again, and end with this where there are no tries left.
    ///
    /// - Parameters:
    ///   - afterMilliseconds: The pause that the server asked for.
    ///   - progressed: Whether the try got nearer to the end; the counting then starts anew.
    case again(Ending<Result>, afterMilliseconds: Int64?, progressed: Bool = false)
  }

  public enum Ending<Result> {
    case answer(Result)
    case failure(any Error)
  }

  /// Tries until done or out of tries.
  ///
  /// - Parameter onRetry: Called before each further try.
  /// - Throws: What `attempt` throws, at once; the last failure; `Cancelled`.
  public func run<Result>(
    cancellation: Cancellation, onRetry: () -> Void = {},
    _ attempt: (_ number: Int) throws -> Attempt<Result>
  ) throws -> Result {
    var failures = 0
    var number = 0
    while true {
      try cancellation.check()
      number += 1
      switch try attempt(number) {
      case .done(let result): return result
      case .again(let ending, let wanted, let progressed):
        failures = progressed ? 1 : failures + 1
        if failures >= maximumAttempts || (wanted ?? 0) > maximumRetryAfterMilliseconds {
          switch ending {
          case .answer(let result): return result
          case .failure(let error): throw error
          }
        }
        clock.sleep(max(wanted ?? 0, pause(afterFailures: failures)), cancellation)
        try cancellation.check()
        onRetry()
      }
    }
  }

  /// The jittered pause after that many failures in a row, from 1.
  public func pause(afterFailures failures: Int) -> Int64 {
    let full = min(
      maximumMilliseconds, baseMilliseconds << Int64(min(max(failures, 1) - 1, 30)))
    return full / 2 + Int64(Double(full - full / 2) * random())
  }

  /// The pause that an answer asks for in `Retry-After`, as seconds or as a date.
  public func retryAfter(_ response: HTTPResponse) -> Int64? {
    guard let text = response["retry-after"] else { return nil }
    if let seconds = Int64(text) { return max(0, min(seconds, 1 << 40)) * 1000 }
    guard let date = httpDate(text) else { return nil }
    return max(0, (date.microseconds - clock.now().microseconds) / 1000)
  }
}

/// The instant that an HTTP date (`Sun, 06 Nov 1994 08:49:37 GMT`) names. Calls `curl_getdate` for
/// dates in another form.
public func httpDate(_ text: String) -> Instant? {
  if let instant = fixedDate(text) { return instant }
  let seconds = curl_getdate(text, nil)
  return seconds == -1 ? nil : Instant(seconds: Int64(seconds))
}

/// The preferred form of a date, of fixed length (RFC 9110, 5.6.7). Every answer has one or two.
private func fixedDate(_ text: String) -> Instant? {
  guard text.utf8.count == 29 else { return nil }
  var text = text
  return text.withUTF8 { fixedDate($0) }
}

private func fixedDate(_ bytes: UnsafeBufferPointer<UInt8>) -> Instant? {
  guard bytes[3] == UInt8(ascii: ","), bytes[26...].elementsEqual("GMT".utf8) else { return nil }
  func number(_ range: Range<Int>) -> Int? {
    var number = 0
    for index in range {
      let byte = bytes[index]
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      number = number * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return number
  }
  let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
  let month = stride(from: 0, to: 36, by: 3).first { start in
    (0..<3).allSatisfy { months.utf8Start[start + $0] == bytes[8 + $0] }
  }
  guard let month, let day = number(5..<7), let year = number(12..<16),
    let hour = number(17..<19), let minute = number(20..<22), let second = number(23..<25)
  else { return nil }
  let time = CivilTime(
    year: year, month: month / 3 + 1, day: day, hour: hour, minute: minute, second: second)
  return time.isValid ? time.instant : nil
}
