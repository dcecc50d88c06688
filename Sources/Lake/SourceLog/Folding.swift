import Core
import Synchronization

/// The files of a log's state: those that there were, and changes that are put among them only once
/// somebody goes through all files. Who has changed one file of a hundred asks for those few.
final class Folding: Sendable {
  private let before: PackedFiles
  /// Each of another key, in the order of keys.
  private let changes: PackedFiles
  private let folded: Mutex<PackedFiles?>

  init(_ files: PackedFiles) {
    (before, changes) = (PackedFiles(), PackedFiles())
    folded = Mutex(files)
  }

  /// - Parameter changes: With their kinds; the last of a key wins.
  init(_ files: PackedFiles, _ changes: PackedFiles) {
    // Many changes would lie there twice once they are put among the files.
    let isWorthIt =
      changes.count <= files.count / 4
      && (0..<max(0, changes.count - 1)).allSatisfy {
        ByteTable.compare(changes.keys, $0, changes.keys, $0 + 1) < 0
      }
    guard isWorthIt else {
      (before, self.changes) = (PackedFiles(), PackedFiles())
      folded = Mutex(files.folding(changes))
      return
    }
    (before, self.changes) = (files, changes)
    folded = Mutex(changes.count > 0 ? nil : files)
  }

  /// All of them, in the order of their keys.
  ///
  /// - Complexity: O(files) once, where there are changes.
  var files: PackedFiles {
    folded.withLock { folded in
      if let folded { return folded }
      let files = before.folding(changes)
      folded = files
      return files
    }
  }

  /// Looks a file up by its key.
  ///
  /// - Parameter read: Is given what the file lies in, and its place there.
  /// - Returns: Nil where there is no such file.
  /// - Complexity: O(log *n*).
  func find<Found>(_ key: String, _ read: (PackedFiles, Int) -> Found) -> Found? {
    if let files = folded.withLock({ $0 }) {
      return files.index(of: key).map { read(files, $0) }
    }
    if let index = changes.index(of: key) {
      return changes.kinds[index] == FileChange.Kind.removed.order ? nil : read(changes, index)
    }
    return before.index(of: key).map { read(before, $0) }
  }
}

extension PackedFiles {
  /// The place of a key among keys that ascend.
  fileprivate func index(of key: String) -> Int? {
    var key = key
    return key.withUTF8 { key in
      var (low, high) = (0, count)
      while low < high {
        let middle = (low + high) / 2
        let order = keys.compare(middle, UnsafeRawBufferPointer(key))
        if order == 0 { return middle }
        if order < 0 { low = middle + 1 } else { high = middle }
      }
      return nil
    }
  }
}
