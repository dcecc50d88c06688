#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Waits for what happens soon, or within a minute where others keep the machine busy. Whether it has
/// happened is for the caller to test.
public func until(_ condition: () -> Bool) {
  for _ in 0..<30_000 where !condition() { usleep(2000) }
}
