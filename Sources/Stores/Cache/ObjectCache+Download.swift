import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Objects of more than a few KiB come into a file with a lock, where a broken download goes on.
extension ObjectCache {
  /// Downloads the object for all.
  ///
  /// - Parameter path: Where it is once it is here to stay.
  /// - Returns: nil where another thread or process did it meanwhile, or dropped the file.
  func downloaded(
    _ path: String, _ object: Object, from store: any Store, _ pins: PinFolder,
    _ cancellation: Cancellation, _ progress: (Int64) -> Void
  ) throws -> LocalCopy? {
    let quick = quickPath(path)
    let part = quick + ".part"
    let file = try OpenFile(part, O_RDWR | O_CREAT)
    // Waits while another thread or process downloads the same.
    while !file.tryLock(LOCK_EX | LOCK_NB) {
      guard errno == EWOULDBLOCK || errno == EINTR else { throw Errno(errno) }
      try cancellation.check()
      usleep(20_000)
    }
    let status = try file.status()
    guard let current = try fileStatus(part), current.st_ino == status.st_ino else { return nil }
    if try fileStatus(quick) != nil || (!isSmall(object) && fileStatus(path) != nil) {
      // Made by the opening above, after the one that was downloaded got its name.
      unlink(part)
      return nil
    }

    var offset = Int64(status.st_size)
    if object.byteCount >= 0 && offset > object.byteCount { offset = 0 }
    makeRoom(for: max(0, object.byteCount - offset))
    let byteCount: Int64
    do {
      byteCount = try download(
        object, from: store, into: file, of: Int64(status.st_size), at: offset, cancellation,
        progress)
    } catch let error as StoreError
      where [.changed, .notFound, .damaged, .full].contains(error.code)
    {
      unlink(part)
      throw error
    }
    // Linked before it has its name, or another's eviction could come first.
    let pin = pins.newPath()
    guard link(part, pin) == 0 else { throw Errno(errno) }
    let copy = LocalCopy(path: pin, pins: pins)
    guard rename(part, quick) == 0 else { throw Errno(errno) }
    if byteCount >= ObjectCache.lastingByteCount { settler.add(path) }
    return copy
  }

  /// Reads the object from `offset` on into the file, which has `size` bytes, and verifies what is
  /// there then.
  ///
  /// - Returns: The file's length.
  func download(
    _ object: Object, from store: any Store, into file: OpenFile, of size: Int64,
    at offset: Int64, _ cancellation: Cancellation, _ progress: (Int64) -> Void
  ) throws -> Int64 {
    // ext4 writes a file that was cut to nothing to the disk when it is closed.
    guard size == offset || ftruncate(file.descriptor, off_t(offset)) == 0,
      lseek(file.descriptor, off_t(offset), SEEK_SET) == off_t(offset)
    else { throw Errno(errno) }
    var count = offset
    progress(count)
    var read = object
    if offset == 0 || offset != object.byteCount {
      var gathered = GatheredBytes(upTo: object.byteCount - offset)
      var written = offset
      func put(_ bytes: UnsafeRawBufferPointer) throws {
        try write(bytes, to: file, at: written)
        written += Int64(bytes.count)
      }
      do {
        read = try store.read(
          object.key, range: offset == 0 ? nil : offset..<Int64.max, ifMatch: object.version,
          cancellation: cancellation
        ) { bytes in
          try gathered.add(bytes, put)
          count += Int64(bytes.count)
          progress(count)
        }
        try gathered.flush(put)
      } catch {
        // Whoever takes the download up goes on behind all that came.
        try? gathered.flush(put)
        throw error
      }
    }
    let expected = object.byteCount >= 0 ? object.byteCount : max(read.byteCount, -1)
    guard expected < 0 || count == expected else {
      throw StoreError(
        .damaged, "\(count) bytes came of an object that has \(expected)",
        at: Place(file: store.uri(object.key)), advice: "run again")
    }
    // Of what comes in one piece, reading has seen to it.
    if offset > 0 { try verify(object, of: store, in: file, byteCount: count) }
    known.withLock { $0 = $0.map { $0 + count - offset } }
    return count
  }

  /// Compares what was put together from several transfers with the store's checksum.
  private func verify(
    _ object: Object, of store: any Store, in file: OpenFile, byteCount: Int64
  ) throws {
    guard var checksum = try store.checksum(of: object) else { return }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while offset < byteCount {
      let count = try file.read(into: buffer, at: offset)
      guard count > 0 else { break }
      checksum.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
    guard try checksum.matches else {
      throw StoreError(
        .damaged, "the fetched bytes do not have the object's checksum",
        at: Place(file: store.uri(object.key)), advice: "run again")
    }
  }

  /// Writes a piece; where the disk is full, everything that can go makes room first.
  func write(_ bytes: UnsafeRawBufferPointer, to file: OpenFile, at offset: Int64) throws {
    func isFull(_ error: Errno) -> Bool { [ENOSPC, EDQUOT].contains(error.number) }
    do throws(Errno) {
      return try file.write(bytes)
    } catch {
      guard isFull(error) else { throw systemError(error) }
    }
    evict(downTo: 0)
    // A settler may have one of the files open still: it looks after each step.
    for pause in [20, 40, 80, 160, 320, nil] as [UInt32?] {
      do throws(Errno) {
        // A part of the piece may have been written.
        guard lseek(file.descriptor, off_t(offset), SEEK_SET) == off_t(offset) else {
          throw Errno(errno)
        }
        return try file.write(bytes)
      } catch {
        guard isFull(error), let pause else { throw systemError(error) }
        usleep(pause * 1000)
      }
    }
  }
}
