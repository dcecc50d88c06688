import Core
import Stores

final class LocalCopy: Sendable { let path: String; init(_ p: String) { path = p } }
final class ObjectCache: Sendable {
  init(directory: String, maximumByteCount: Int64) {}
  func fetch(
    _ o: Object, from store: any Store, cancellation: Cancellation, progress: (Int64) -> Void
  ) throws -> LocalCopy {
    LocalCopy(store.localPath(o.key)!)
  }
}
