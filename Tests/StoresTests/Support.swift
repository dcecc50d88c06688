import Core
import Foundation
import Testing

@testable import Stores

/// An empty folder that goes away with the value.
final class Scratch: Sendable {
  let path: String

  init() {
    path = FileManager.default.temporaryDirectory.path + "/stores-\(UUID().uuidString)"
    mkdir(path, 0o755)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var store: LocalStore { LocalStore(root: path, isDurable: false, counter: MutationCounter()) }

  /// Every file below the folder, temporary ones included, in no order.
  var files: [String] {
    (FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? []).filter {
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: "\(path)/\($0)", isDirectory: &isFolder)
        && !isFolder.boolValue
    }
  }

  func write(_ name: String, _ text: String = "x") {
    var folder = path
    for segment in name.split(separator: "/").dropLast() {
      folder += "/\(segment)"
      mkdir(folder, 0o755)
    }
    let file = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    #expect(Foundation.write(file, text, text.utf8.count) == text.utf8.count)
    close(file)
  }
}

extension Store {
  func text(_ key: String) throws -> String? {
    try get(key).map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  func put(_ key: String, text: String, _ condition: PutCondition = .always) throws -> Object {
    try put(key, .bytes(Array(text.utf8)), condition)
  }
}

/// Expects `body` to fail with that code; gives the failure for a closer look.
@discardableResult
func expectFailure<T>(
  _ code: StoreError.Code, _ body: () throws -> T, sourceLocation: SourceLocation = #_sourceLocation
) -> StoreError? {
  do {
    _ = try body()
    Issue.record("no failure, expected \(code.rawValue)", sourceLocation: sourceLocation)
  } catch let error as StoreError {
    #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    return error
  } catch {
    Issue.record("\(error) instead of \(code.rawValue)", sourceLocation: sourceLocation)
  }
  return nil
}

/// Expects equal bytes. `#expect(a == b)` would look for the differences of large arrays for hours.
func expectSame(
  _ read: [UInt8], _ expected: some Collection<UInt8>,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let isSame = read.elementsEqual(expected)
  #expect(
    isSame, "\(read.count) bytes instead of \(expected.count), or others",
    sourceLocation: sourceLocation)
}
