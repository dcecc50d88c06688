#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Whether `a` comes before `b` in byte order, the order of every listing.
///
/// Swift's `<` on strings orders by canonical equivalence, under which two different keys can even
/// be equal; keys are bytes.
public func bytesPrecede(_ a: String, _ b: String) -> Bool {
  var (a, b) = (a, b)
  return a.withUTF8 { a in
    b.withUTF8 { b in
      let common = min(a.count, b.count)
      let order = common == 0 ? 0 : memcmp(a.baseAddress!, b.baseAddress!, common)
      return order == 0 ? a.count < b.count : order < 0
    }
  }
}

/// Whether `a` and `b` are the same bytes; `==` also holds for é written in two ways.
public func sameBytes(_ a: String, _ b: String) -> Bool {
  a.utf8.elementsEqual(b.utf8)
}
