import Kernels

/// Writes Thrift's compact protocol as far as Parquet's headers and footers need it.
///
/// Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
struct ThriftWriter {
  private(set) var bytes: [UInt8] = []
  /// The ID of the field before, in the structure at hand.
  private var last = 0

  private enum Kind: UInt8 {
    case yes = 1
    case int32 = 5
    case int64 = 6
    case binary = 8
    case list = 9
    case structure = 12
  }

  private mutating func head(_ id: Int, _ kind: Kind) {
    // The IDs of Parquet's structures are few and ascend: a step always has room in four bits.
    precondition(id > last && id - last < 16, "fields are written in the order of their IDs")
    bytes.append(UInt8(id - last) << 4 | kind.rawValue)
    last = id
  }

  /// Integers of every width are zig-zag.
  private mutating func integer(_ value: Int64) {
    appendVarint(UInt64(bitPattern: value << 1 ^ value >> 63), to: &bytes)
  }

  mutating func int32(_ id: Int, _ value: Int) {
    head(id, .int32)
    integer(Int64(value))
  }

  mutating func int64(_ id: Int, _ value: Int64) {
    head(id, .int64)
    integer(value)
  }

  mutating func yes(_ id: Int) { head(id, .yes) }

  mutating func binary(_ id: Int, _ value: some Collection<UInt8>) {
    head(id, .binary)
    appendVarint(UInt64(value.count), to: &bytes)
    bytes += value
  }

  mutating func structure(_ id: Int, _ body: (inout ThriftWriter) -> Void) {
    head(id, .structure)
    structure(body)
  }

  /// A structure that is no field: the outermost, and the elements of lists.
  mutating func structure(_ body: (inout ThriftWriter) -> Void) {
    let outer = last
    last = 0
    body(&self)
    bytes.append(0)
    last = outer
  }

  mutating func structures<T>(
    _ id: Int, _ elements: [T], _ body: (inout ThriftWriter, T) -> Void
  ) {
    list(id, .structure, elements.count)
    for element in elements { structure { body(&$0, element) } }
  }

  /// Structures that are written already.
  mutating func elements(_ id: Int, _ elements: [ThriftWriter]) {
    list(id, .structure, elements.count)
    for element in elements { bytes += element.bytes }
  }

  mutating func integers(_ id: Int, _ elements: [Int]) {
    list(id, .int32, elements.count)
    for element in elements { integer(Int64(element)) }
  }

  mutating func texts(_ id: Int, _ elements: [String]) {
    list(id, .binary, elements.count)
    for element in elements {
      appendVarint(UInt64(element.utf8.count), to: &bytes)
      bytes += element.utf8
    }
  }

  private mutating func list(_ id: Int, _ kind: Kind, _ count: Int) {
    head(id, .list)
    if count < 15 {
      bytes.append(UInt8(count) << 4 | kind.rawValue)
    } else {
      bytes.append(0xF0 | kind.rawValue)
      appendVarint(UInt64(count), to: &bytes)
    }
  }
}
