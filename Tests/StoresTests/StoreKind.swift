import Core
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Stores

/// A kind of store that keeps the contract of `Store`, and how to get an empty one.
struct StoreKind: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// Whether any text is a key, as in buckets; a file system folds some onto others.
  let takesAnyKey: Bool
  /// What there must be on this machine.
  let needs: String?
  let make: @Sendable () throws -> any Store
  /// Whether equal bytes have equal versions, and only the next look tells when they were written.
  var hasETags = false

  static let all = [local, gcs, gcsBelowPrefix, s3, s3BelowPrefix]

  /// An empty store; the test is skipped, visibly, where there can be none.
  func store() throws -> any Store {
    if let needs { try Test.cancel("needs \(needs)") }
    return try make()
  }

  private static let local = StoreKind(testDescription: "folder", takesAnyKey: false, needs: nil) {
    LocalStore(
      root: "\(folder.path)/\(UUID().uuidString)", isDurable: false, counter: MutationCounter())
  }
  private static let folder = Scratch()

  private static let gcs = StoreKind(
    testDescription: "gs://bucket", takesAnyKey: true,
    needs: GCSServer.isPossible ? nil : "python3"
  ) {
    let number = nextBucket.add(1, ordering: .relaxed).oldValue
    return try server.get().store(bucket: "b\(number)")
  }
  private static let gcsBelowPrefix = StoreKind(
    testDescription: "gs://bucket/prefix", takesAnyKey: true,
    needs: GCSServer.isPossible ? nil : "python3"
  ) { try server.get().store(prefix: "a é/\(UUID().uuidString)", bucket: "shared") }

  private static let s3 = StoreKind(
    testDescription: "s3://bucket", takesAnyKey: true,
    needs: Moto.isThere ? nil : PythonTool.whyNot,
    make: {
      let number = nextBucket.add(1, ordering: .relaxed).oldValue
      let store = S3Store(
        bucket: "contract-\(number)", service: try Moto.store().service,
        counter: MutationCounter())
      // A PUT of the bucket makes it.
      _ = try store.service.exchange(S3Request(method: .put, bucket: store.bucket))
      return store
    }, hasETags: true)
  private static let s3BelowPrefix = StoreKind(
    testDescription: "s3://bucket/prefix", takesAnyKey: true,
    needs: Moto.isThere ? nil : PythonTool.whyNot,
    make: { try Moto.store(prefix: "a é/\(UUID().uuidString)") }, hasETags: true)

  /// Whether a look at the object shows what its writer was told.
  func agree(_ seen: Object?, _ written: Object) -> Bool {
    var seen = seen
    if hasETags { seen?.modified = written.modified }
    return seen == written
  }

  private static let server = Result {
    let server = try GCSServer(buckets: ["shared"] + (0..<200).map { "b\($0)" })
    try server.control(["page": 7])
    return server
  }
  private static let nextBucket = Atomic<Int>(0)
}
