import Foundation

/// A mount that only this process sees, made without privileges: in a mount namespace that a child
/// process keeps (`unshare -rm`), reached through `/proc/<child>/root`.
public final class PrivateMount: Sendable {
  /// Where the mounted folder is.
  public let path: String

  private let child: Process
  private let folder: String

  /// Whether this system allows it; containers often do not.
  public static let isPossible = (try? PrivateMount(smallDiskOf: 1 << 20)) != nil

  /// An empty disk of that many bytes, in memory.
  public convenience init(smallDiskOf byteCount: Int) throws {
    let folder = NSTemporaryDirectory() + "/mount-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try self.init(folder, owned: folder, "mount -t tmpfs -o size=\(byteCount) tmpfs \"$0\"")
  }

  /// An existing folder, not to be written to, not even by root.
  public convenience init(readOnly folder: String) throws {
    try self.init(
      folder, owned: "", "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\"")
  }

  private init(_ folder: String, owned: String, _ mount: String) throws {
    self.folder = owned
    child = Process()
    child.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
    // `cat` holds the namespace until its input ends, which is when this process does.
    child.arguments = ["-rm", "sh", "-c", "\(mount) && echo ready && exec cat", folder]
    let output = Pipe()
    child.standardInput = Pipe()
    child.standardOutput = output
    child.standardError = FileHandle.nullDevice
    try child.run()
    path = "/proc/\(child.processIdentifier)/root\(folder)"
    guard String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) == "ready\n"
    else {
      child.terminate()
      throw CocoaError(.featureUnsupported)
    }
  }

  deinit {
    child.terminate()
    child.waitUntilExit()
    if !folder.isEmpty { rmdir(folder) }
  }
}
