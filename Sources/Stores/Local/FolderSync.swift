#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Brings the names in folders to the disk, for all threads that have given some at the same time
/// with one call: each call waits for the disk, and one that begins after a name was given serves
/// it, whoever makes it.
final class FolderSync: Sendable {
  static let shared = FolderSync { folder throws(Errno) in
    try OpenFile(folder, O_RDONLY | O_DIRECTORY).synchronize()
  }

  private let folders = Monitor([String: Progress]())
  private let call: @Sendable (String) throws(Errno) -> Void

  /// - Parameter call: Waits for the disk.
  init(_ call: @escaping @Sendable (String) throws(Errno) -> Void) { self.call = call }

  /// How many threads need a call just now.
  func waiting(_ folder: String) -> Int { folders.wait { $0[folder]?.waiting ?? 0 } }

  private struct Progress {
    /// Numbers of calls: of the last that began, and of the last that ended well.
    var begun = 0
    var done = 0
    /// Of those that failed, by their numbers.
    var failures: [Int: Errno] = [:]
    var isUnderWay = false
    /// Threads that need one; nothing is kept of a folder that nobody waits for.
    var waiting = 0
  }

  private enum Step {
    case call(Int)
    case end(Errno?)
  }

  /// Waits until all names that are in the folder by now are on the disk.
  func synchronize(_ folder: String) throws(Errno) {
    // The call that may be under way has perhaps gone past the name already.
    let needed = folders.wait { folders in
      folders[folder, default: Progress()].waiting += 1
      return folders[folder]!.begun + 1
    }
    defer {
      folders.change { folders in
        folders[folder]!.waiting -= 1
        if folders[folder]!.waiting == 0 { folders[folder] = nil }
      }
    }
    while true {
      switch next(folder, needed) {
      case .end(let error):
        if let error { throw error }
        return
      case .call(let number):
        let result = Result { () throws(Errno) in try call(folder) }
        folders.change { folders in
          folders[folder]!.isUnderWay = false
          switch result {
          case .success: folders[folder]!.done = number
          // The system tells of a name that is lost once, and the next call would succeed.
          case .failure(let error): folders[folder]!.failures[number] = error
          }
        }
      }
    }
  }

  /// What a thread is to do that needs the call of this number: the first that began after it came.
  private func next(_ folder: String, _ needed: Int) -> Step {
    folders.wait { folders in
      if let error = folders[folder]!.failures[needed] { return .end(error) }
      if folders[folder]!.done >= needed { return .end(nil) }
      guard !folders[folder]!.isUnderWay else { return nil }
      folders[folder]!.begun += 1
      folders[folder]!.isUnderWay = true
      return .call(folders[folder]!.begun)
    }
  }
}
