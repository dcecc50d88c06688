#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `RUSAGE_SELF`, which C libraries declare each their own way.
private let thisProcess: Int32 = 0

private func usage() -> rusage {
  var usage = rusage()
  getrusage(thisProcess, &usage)
  return usage
}

/// Seconds of processor time that this process has used, on all its threads.
public func processorSeconds() -> Double {
  func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
  let usage = usage()
  return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Seconds since some moment; they never go back.
public func wallSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// The most memory that this process has held, in bytes.
///
/// Linux begins `ru_maxrss` with what the parent held when it started this process; `VmHWM` belongs
/// to the program alone. See proc_pid_status(5).
public func peakByteCount() -> Int {
  #if canImport(Glibc)
    guard let file = fopen("/proc/self/status", "r") else { return usage().ru_maxrss * 1024 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      guard text.starts(with: "VmHWM:".utf8) else { continue }
      let digits = text.filter { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
      return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } * 1024
    }
    return usage().ru_maxrss * 1024
  #else
    return usage().ru_maxrss
  #endif
}
