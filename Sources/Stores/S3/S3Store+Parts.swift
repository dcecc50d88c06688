import Core
import Synchronization
import Transport

/// How the bytes of an object were divided when it was uploaded.
struct S3Parts {
  let count: Int64
  /// The size of all parts but the last.
  let byteCount: Int64
  /// Looks at all parts: true where they do have this size. Asked where a checksum of the parts is
  /// another than the stated one, for parts of different sizes may add up to the same.
  let confirm: () throws -> Bool
}

extension S3Store {
  /// The parts of an object whose upload had `count` of them: as its metadata says where Sluice has
  /// written it; else S3 is asked for the size of the first.
  ///
  /// - Parameter response: An answer about the object.
  /// - Returns: nil where they are not known, or not of one size.
  func parts(of object: Object, count: Int64, _ response: HTTPResponse) -> S3Parts? {
    guard count > 0, object.byteCount >= 0 else { return nil }
    func fits(_ size: Int64) -> Bool {
      (1...max(1, object.byteCount)).contains(size)
        && max(1, (object.byteCount - 1) / size + 1) == count
    }
    if let stated = response[S3Upload.partHeader].flatMap({ Int64($0) }), fits(stated) {
      return S3Parts(count: count, byteCount: stated) { true }
    }
    if count == 1 { return S3Parts(count: 1, byteCount: max(1, object.byteCount)) { true } }
    guard let first = try? part(1, of: object), first.lowerBound == 0, fits(first.upperBound) else {
      return nil
    }
    let size = first.upperBound
    return S3Parts(count: count, byteCount: size) {
      try self.hasParts(object, upTo: count, of: size)
    }
  }

  /// Where a part lies in the object, by HEAD with `partNumber`.
  ///
  /// - Returns: nil where the service does not say, or the object has another version by now.
  /// - Throws: `.unreachable` where it may say so later.
  private func part(_ number: Int64, of object: Object) throws -> Range<Int64>? {
    var request = try request(.head, object.key)
    request.query = [("partNumber", "\(number)")]
    request.headers = [("If-Match", object.version.rawValue)]
    let answer = try service.exchange(request)
    let response = answer.response
    if answer.isTransient { throw answer.failure(at: uri(object.key)) }
    // Services that pass over the number answer with the whole object.
    guard answer.isSuccess, response.status == 206,
      s3Version(response["etag"] ?? "") == object.version,
      WebVersion.totalByteCount(response) == object.byteCount,
      let start = WebVersion.firstByte(response), let count = response.contentLength,
      (1...max(1, object.byteCount)).contains(count), start <= object.byteCount - count
    else { return nil }
    return start..<(start + count)
  }

  /// Whether the parts before the last all have this size; that of the first is known.
  private func hasParts(_ object: Object, upTo count: Int64, of size: Int64) throws -> Bool {
    guard count > 2 else { return true }
    let stopping = Cancellation()
    let results = concurrently(
      Array(2..<count), limit: service.configuration.parallelism
    ) { number -> Bool in
      try stopping.check()
      do {
        let start = (number - 1) * size
        if try part(number, of: object) == start..<(start + size) { return true }
      } catch {
        stopping.cancel()
        throw error
      }
      stopping.cancel()
      return false
    }
    var failure: (any Error)?
    for result in results {
      switch result {
      case .success(true): break
      case .success(false): return false
      case .failure(let error): if !(error is Cancelled) { failure = failure ?? error }
      }
    }
    if let failure { throw failure }
    return true
  }
}
