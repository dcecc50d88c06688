import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Failure where Domain == StoreDomain {
  /// The failure that an error number of the system stands for.
  ///
  /// - Parameters:
  ///   - number: `errno` right after the call.
  ///   - doing: What was being done, for the sentence `cannot <doing>: …`.
  ///   - path: The file or folder it was done to.
  static func system(_ number: Int32, doing: String, path: String) -> StoreError {
    let reason = String(cString: strerror(number))
    let (code, advice): (StoreError.Code, String?) =
      switch number {
      case ENOSPC, EDQUOT:
        (.full, "free space there, or choose another place, and run again")
      case EROFS:
        (.denied, "the file system is mounted read-only; mount it writable or choose another place")
      case EACCES, EPERM:
        (.denied, "give the user that runs this access to it, or choose another place")
      case ENOENT: (.notFound, nil)
      case EISDIR, ENOTDIR, ENXIO, ELOOP:
        (.notAnObject, "a file is needed here, and folders on the way to it")
      case ENAMETOOLONG, EILSEQ, EINVAL: (.badAddress, "the file system cannot hold this name")
      case EMFILE, ENFILE: (.failed, "raise the limit of open files (ulimit -n)")
      case EIO, ESTALE: (.failed, "the disk or the network mount failed; look at the system's log")
      default: (.failed, nil)
      }
    return StoreError(
      code, "cannot \(doing): \(reason)", at: Place(file: path), advice: advice)
  }

  /// A folder or device where a file should be.
  static func notAFile(_ path: String, isFolder: Bool) -> StoreError {
    StoreError(
      .notAnObject,
      isFolder ? "a folder where a file should be" : "a device or pipe where a file should be",
      at: Place(file: path), advice: isFolder ? "for the files in it, add /*" : nil)
  }
}
