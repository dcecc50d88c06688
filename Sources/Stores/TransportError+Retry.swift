import Core
import Transport

extension TransportError {
  /// What a failure of the transport means for a store's retries.
  ///
  /// - Parameter progressed: Whether bytes came or went before it: then the tries start over.
  /// - Throws: The `StoreError` it stands for, where trying again is of no use.
  func outcome<T>(progressed: Bool = false) throws -> RetryPolicy.Attempt<T> {
    let meaning: StoreError.Code =
      switch code {
      case .badURL: .badAddress
      case .failed, .body: .failed
      case .credentials: .denied
      default: .unreachable
      }
    let failure = StoreError(
      meaning, message, at: place, advice: advice,
      exitCode: meaning == .badAddress ? 2 : exitCode)
    guard isTransient else { throw failure }
    return .again(.failure(failure), afterMilliseconds: nil, progressed: progressed)
  }
}
