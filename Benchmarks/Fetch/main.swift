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
//   bench-fetch --put FILE ADDRESS
//
// ADDRESS names one object, or several by wildcards. With --put a file goes there instead, as landing
// and exports put theirs.

func fail(_ message: String, _ code: Int32) -> Never {
  let bytes = Array("bench-fetch: \(message)\n".utf8)
  _ = write(2, bytes, bytes.count)
  exit(code)
}

guard CommandLine.arguments.count >= 3 else {
  fail("give a cache's folder and an address", 2)
}
if CommandLine.arguments[1] == "--put" {
  guard CommandLine.arguments.count == 4 else { fail("give a file and an address", 2) }
  do {
    let (store, key) = try StoreOpener.shared.locate(CommandLine.arguments[3])
    let object = try store.put(key, .file(path: CommandLine.arguments[2]), .always)
    print("\(object.byteCount) bytes as version \(object.version)")
  } catch {
    fail("\(error)", 1)
  }
  exit(0)
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
