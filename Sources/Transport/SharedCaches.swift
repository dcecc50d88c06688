import CCurl

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Names and TLS sessions that all lines of a client share.
final class SharedCaches: @unchecked Sendable {
  // libcurl serialises its uses through the locks below, which live as long as this does.
  let handle: OpaquePointer
  private let locks: UnsafeMutablePointer<pthread_mutex_t>

  private static let lockCount = Int(CURL_LOCK_DATA_LAST.rawValue)

  private static let library: Void = {
    curl_global_init(Int(CURL_GLOBAL_DEFAULT))
  }()

  init() {
    _ = SharedCaches.library
    locks = .allocate(capacity: SharedCaches.lockCount)
    for index in 0..<SharedCaches.lockCount { pthread_mutex_init(locks + index, nil) }
    handle = OpaquePointer(curl_share_init()!)
    let share = UnsafeMutableRawPointer(handle)
    curl_share_context(share, locks)
    curl_share_locks(
      share,
      { _, data, _, locks in
        pthread_mutex_lock(
          locks!.assumingMemoryBound(to: pthread_mutex_t.self) + Int(data.rawValue))
      },
      { _, data, locks in
        pthread_mutex_unlock(
          locks!.assumingMemoryBound(to: pthread_mutex_t.self) + Int(data.rawValue))
      })
    curl_share_data(share, CURL_LOCK_DATA_DNS)
    curl_share_data(share, CURL_LOCK_DATA_SSL_SESSION)
  }

  deinit {
    curl_share_cleanup(UnsafeMutableRawPointer(handle))
    for index in 0..<SharedCaches.lockCount { pthread_mutex_destroy(locks + index) }
    locks.deallocate()
  }
}
