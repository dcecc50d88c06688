import Core

/// A column of a Parquet file as its schema says it, and what that makes of its pages.
struct FixedLengthLeaf {
  var name: String
  /// Of columns that are to have another form.
  var byteCount: Int?
  var isNullable: Bool
  var isRepeated: Bool

  /// Where values begin in a page of data, behind the levels of repetition and of nulls.
  func valuesStart(_ page: [UInt8]) throws -> Int {
    var offset = 0
    for isThere in [isRepeated, isNullable] where isThere {
      offset += 4 + (try length(page, at: offset))
    }
    return offset
  }

  /// The values of a page, each after its length, without these lengths; what stands before them
  /// stays.
  ///
  /// - Throws: `EngineError` `.failed` for a value of another length.
  func withoutLengths(_ page: [UInt8], from start: Int, at place: Place) throws -> [UInt8] {
    guard start <= page.count, let byteCount else { throw ThriftValue.Malformed() }
    var values = Array(page[..<start])
    values.reserveCapacity(page.count)
    var offset = start
    while offset < page.count {
      let count = try length(page, at: offset)
      guard count == byteCount else {
        throw EngineError(
          .failed, "a value of \(count) bytes is in '\(name)', whose type is fixed[\(byteCount)]",
          at: place, advice: "the query has to give values of that length")
      }
      guard offset + 4 + count <= page.count else { throw ThriftValue.Malformed() }
      values += page[offset + 4..<offset + 4 + count]
      offset += 4 + count
    }
    return values
  }

  private func length(_ page: [UInt8], at offset: Int) throws -> Int {
    guard offset + 4 <= page.count else { throw ThriftValue.Malformed() }
    return (0..<4).reduce(0) { $0 | Int(page[offset + $1]) << (8 * $1) }
  }
}
