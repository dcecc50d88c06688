import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A new file that takes bytes as they come, gzip-compressed or as they are. It appears under its
/// name only once it is complete.
struct GzipFile: ~Copyable {
  private let path: String
  private let descriptor: Int32
  private let deflater: Deflater?
  private var packed: [UInt8] = []
  private var isFinished = false

  init(path: String, compressed: Bool) throws(SampleError) {
    self.path = path
    deflater = compressed ? Deflater(.gzip, effort: .fast) : nil
    descriptor = open(path + ".part", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .system("create \(path)") }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !isFinished { unlink(path + ".part") }
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) throws(SampleError) {
    guard let deflater else { return try put(bytes) }
    deflater.write(bytes) { packed.append(contentsOf: $0) }
    try putPacked()
  }

  /// Writes what is left and gives the file its name.
  mutating func finish() throws(SampleError) {
    deflater?.finish { packed.append(contentsOf: $0) }
    try putPacked()
    guard rename(path + ".part", path) == 0 else { throw .system("name \(path)") }
    isFinished = true
  }

  private mutating func putPacked() throws(SampleError) {
    // A typed error does not pass through a closure of the standard library.
    let result = packed.withUnsafeBytes { bytes in
      Result<Void, SampleError> { () throws(SampleError) in try put(bytes) }
    }
    try result.get()
    packed.removeAll(keepingCapacity: true)
  }

  private func put(_ bytes: UnsafeRawBufferPointer) throws(SampleError) {
    var rest = bytes
    while !rest.isEmpty {
      let written = write(descriptor, rest.baseAddress, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw .system("write \(path)") }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }
}

/// Creates a folder and the folders above it.
func makeFolders(_ path: String) throws(SampleError) {
  var prefix = path.hasPrefix("/") ? "/" : ""
  for part in path.split(separator: "/") {
    prefix += part + "/"
    guard mkdir(prefix, 0o755) == 0 || errno == EEXIST else { throw .system("create \(prefix)") }
  }
}
