import Core
import Stores

/// A bucket that can be listed and nothing else: a million objects that cost nothing to make up.
struct ListingStub: Store {
  let root: String
  let count: Int
  /// So many objects, evenly spread, have another version than when the log was written.
  let changed: Int

  func list(prefix: String, page: ([Object]) throws -> Void) throws {
    for start in stride(from: 0, to: count, by: 1000) {
      try page((start..<min(start + 1000, count)).map(object))
    }
  }

  /// The object at a place in the order of keys.
  func object(_ index: Int) -> Object {
    let isChanged =
      changed > 0 && index % (count / changed) == 7 && index / (count / changed) < changed
    let number = String(index).paddedLeft(to: 9, with: "0")
    let tag = (UInt64(index) &* 0x9E37_79B9_7F4A_7C15) &+ (isChanged ? 1 : 0)
    let half = String(tag, radix: 16).paddedLeft(to: 16, with: "0")
    return Object(
      key: "data/2024/part-\(number.prefix(4))/\(number).csv", byteCount: Int64(1000 + index % 977),
      version: Version("\"\(half)\(half)\""))
  }

  func head(_ key: String) throws -> Object? { throw unavailable }
  func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object { throw unavailable }
  func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
    throw unavailable
  }
  func delete(_ keys: [String]) throws { throw unavailable }
  func localPath(_ key: String) -> String? { nil }

  private var unavailable: StoreError { StoreError(.failed, "there is only a listing") }
}
