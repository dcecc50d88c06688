#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The time from one start of the machine to the next.
enum Boot {
  /// A name that no other start has: 16 letters and digits. Where the system has none to give, this
  /// process has one of its own.
  static let name: String = {
    let digits = (systemName ?? "").filter { $0.isHexDigit }.prefix(16).lowercased()
    return digits.count == 16
      ? digits : String(UInt64.random(in: .min ... .max), radix: 36).paddedLeft(to: 16, with: "0")
  }()

  #if canImport(Glibc)
    private static var systemName: String? {
      guard let file = try? OpenFile("/proc/sys/kernel/random/boot_id", O_RDONLY) else {
        return nil
      }
      return withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
        (try? file.read(into: buffer, at: 0)).map {
          String(decoding: buffer[..<$0], as: UTF8.self)
        }
      }
    }
  #else
    private static var systemName: String? {
      var text = [CChar](repeating: 0, count: 64)
      var count = text.count
      guard sysctlbyname("kern.bootsessionuuid", &text, &count, nil, 0) == 0 else { return nil }
      return String(cString: text)
    }
  #endif
}
