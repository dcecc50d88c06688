/// Whether `a` comes before `b` in byte order, the order of every listing.
///
/// Swift's `<` on strings orders by canonical equivalence, under which two different keys can even
/// be equal; keys are bytes.
public func bytesPrecede(_ a: String, _ b: String) -> Bool {
  a.utf8.lexicographicallyPrecedes(b.utf8)
}

/// Whether `a` and `b` are the same bytes; `==` also holds for é written in two ways.
public func sameBytes(_ a: String, _ b: String) -> Bool {
  a.utf8.elementsEqual(b.utf8)
}
