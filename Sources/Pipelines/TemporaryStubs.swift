import Core
import Engines
import Formats
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
enum Glob { static func hasWildcard(_ s: String) -> Bool { s.contains("*") } }
extension StoreOpener {
  func list(glob: String, page: ([(String, Object)]) throws -> Void) throws {
    if let o = try head(glob) { try page([(glob, o)]) }
  }
}
