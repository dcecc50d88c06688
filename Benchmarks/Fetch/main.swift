import Core
import Stores

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

// Brings objects into a cache, as the fetch step of a run does.
//
//   bench-fetch CACHE ADDRESS [THREADS]
//
// ADDRESS names one object, or several by wildcards.

func fail(_ message: String, _ code: Int32) -> Never {
  let bytes = Array("bench-fetch: \(message)\n".utf8)
  _ = write(2, bytes, bytes.count)
  exit(code)
}

guard CommandLine.arguments.count >= 3 else {
  fail("give a cache's folder and an address", 2)
}
let cache = ObjectCache(directory: CommandLine.arguments[1], maximumByteCount: 100 << 30)
let threads = CommandLine.arguments.dropFirst(3).first.flatMap { Int($0) } ?? 8
let opener = StoreOpener.shared
var count = 0
var byteCount: Int64 = 0

do {
  try opener.list(glob: CommandLine.arguments[2]) { page in
    let fetched = concurrently(page, limit: threads) { [opener, cache] address, listed in
      // A source's log names files by address, size and version, and nothing else.
      let (store, key) = try opener.locate(address)
      let object = Object(key: key, byteCount: listed.byteCount, version: listed.version)
      try cache.fetch(object, from: store).release()
    }
    for result in fetched { try result.get() }
    count += page.count
    byteCount += page.reduce(0) { $0 + $1.object.byteCount }
  }
} catch {
  fail("\(error)", 1)
}

print("\(count) objects, \(byteCount) bytes")
