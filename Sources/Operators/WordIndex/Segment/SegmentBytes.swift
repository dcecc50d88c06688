import Core
import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The bytes of a segment, wherever they are.
public protocol SegmentBytes: AnyObject, Sendable {
  /// What messages call it: a path or URI.
  var name: String { get }
  var byteCount: Int64 { get }
  /// Whether the same bytes are read every time, so that it is enough to verify them once.
  var isStable: Bool { get }
  /// - Parameter range: Inside of the segment.
  /// - Throws: Where the bytes cannot be had, or fewer than asked for.
  func read(_ range: Range<Int64>) throws -> SegmentPart
}

/// Some bytes of a segment, and who keeps them alive.
public struct SegmentPart: @unchecked Sendable {
  // Unchecked: the bytes are only read.
  public let bytes: UnsafeRawBufferPointer
  private let owner: AnyObject?

  /// - Parameter owner: The bytes stay where they are while it is alive, and 8 more may be read.
  public init(_ bytes: UnsafeRawBufferPointer, owner: AnyObject?) {
    self.bytes = bytes
    self.owner = owner
  }

  /// Copies.
  public init(_ bytes: [UInt8]) {
    final class Owner {
      let memory: UnsafeMutableRawBufferPointer
      init(_ bytes: [UInt8]) {
        // What is unpacked may read a little more than there is.
        memory = .allocate(byteCount: bytes.count + 16, alignment: 16)
        memory.copyBytes(from: bytes)
      }
      deinit { memory.deallocate() }
    }
    let owner = Owner(bytes)
    self.init(
      UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(owner.memory)[..<bytes.count]),
      owner: owner)
  }

  static let empty = SegmentPart(UnsafeRawBufferPointer(start: nil, count: 0), owner: nil)

  func part(_ range: Range<Int>) -> SegmentPart {
    SegmentPart(UnsafeRawBufferPointer(rebasing: bytes[range]), owner: owner)
  }
}

/// A segment in a local file, mapped into memory.
public final class MappedSegment: SegmentBytes, @unchecked Sendable {
  // Unchecked: the memory is only read.
  public let name: String
  public var byteCount: Int64 { Int64(memory.count) }
  public let isStable = true
  private let memory: UnsafeRawBufferPointer

  /// Calls `mmap`.
  ///
  /// - Throws: `OperatorError` `.unusable`.
  public init(path: String, name: String? = nil) throws {
    self.name = name ?? path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SegmentFile.failure("opened", path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw SegmentFile.failure("opened", path) }
    let count = Int(status.st_size)
    guard count > 0 else {
      memory = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let base = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED
    else { throw SegmentFile.failure("mapped", path) }
    memory = UnsafeRawBufferPointer(start: base, count: count)
  }

  deinit {
    if let base = memory.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: base), memory.count)
    }
  }

  public func read(_ range: Range<Int64>) throws -> SegmentPart {
    SegmentPart(
      UnsafeRawBufferPointer(
        rebasing: memory[Int(range.lowerBound)..<Int(range.upperBound)]), owner: self)
  }
}

extension SegmentBytes {
  /// - Throws: `OperatorError` `.damaged`.
  func expect(_ checksum: UInt32, of bytes: UnsafeRawBufferPointer, at offset: Int64) throws {
    var found = CRC32C()
    found.update(bytes)
    guard found.value == checksum else {
      throw damaged("wrong checksum of the \(bytes.count) bytes at \(offset)")
    }
  }

  /// - Parameter how: What is wrong.
  func damaged(_ how: String) -> OperatorError {
    OperatorError(
      .damaged, "this file of an index is damaged: \(how)", at: Place(file: name),
      advice: "restore it from a copy, or rebuild the index with --full-refresh")
  }

  /// The bytes of a range, which a damaged file may not have.
  func checkedRead(_ offset: Int64, _ count: Int64) throws -> SegmentPart {
    guard offset >= 0, count >= 0, offset <= byteCount, count <= byteCount - offset else {
      throw damaged("it names \(count) bytes at \(offset), but has only \(byteCount)")
    }
    return count == 0 ? .empty : try read(offset..<offset + count)
  }
}
