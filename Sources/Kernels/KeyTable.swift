/// A hash table from byte strings to numbers: open addressing over a dense list of entries, which
/// stand in the order of their insertion.
///
/// Keys are told apart by all their bytes; the hash only says where to look. Not for several
/// threads at once.
public final class KeyTable {
  /// A key with its number.
  public struct Entry {
    /// In the table's own memory, or where the caller has it.
    public let key: UnsafePointer<UInt8>
    public let keyCount: UInt32
    /// What the caller says of the key.
    public let mark: UInt32
    public var value: Int64
  }

  /// What changes, behind a pointer: a class's variables are guarded at every use.
  private struct Storage {
    var entries: UnsafeMutablePointer<Entry>
    var count = 0
    var entryCapacity: Int
    /// The high half of the key's hash, and its index plus one; 0 where there is none.
    var slots: UnsafeMutablePointer<UInt64>
    var mask: Int
  }

  private let storage: UnsafeMutablePointer<Storage>
  private let arena = ByteArena()
  private let copiesKeys: Bool

  /// Valid until the next insertion.
  @inline(__always)
  public var entries: UnsafeMutablePointer<Entry> { storage.pointee.entries }
  @inline(__always)
  public var count: Int { storage.pointee.count }

  /// - Parameter copiesKeys: Else keys stay where they are, and must until `removeAll`.
  public init(expectedCount: Int = 64, copiesKeys: Bool = true) {
    self.copiesKeys = copiesKeys
    let capacity = KeyTable.slotCount(for: expectedCount)
    let slots = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
    slots.initialize(repeating: 0, count: capacity)
    storage = .allocate(capacity: 1)
    storage.initialize(
      to: Storage(
        entries: .allocate(capacity: capacity / 2), entryCapacity: capacity / 2, slots: slots,
        mask: capacity - 1))
  }

  deinit {
    storage.pointee.slots.deallocate()
    storage.pointee.entries.deallocate()
    storage.deallocate()
  }

  private static func slotCount(for count: Int) -> Int {
    var capacity = 16
    while capacity < 2 * count { capacity *= 2 }
    return capacity
  }

  /// What the table holds in memory.
  public var byteCount: Int {
    (storage.pointee.mask + 1) * 8
      + storage.pointee.entryCapacity * MemoryLayout<Entry>.stride + arena.byteCount
  }

  /// - Returns: The key's index; nil where it is not in the table.
  @inline(__always)
  public func index(of key: UnsafePointer<UInt8>, count keyCount: Int, hash: UInt64) -> Int? {
    let (slots, mask) = (storage.pointee.slots, storage.pointee.mask)
    let entries = storage.pointee.entries
    var place = Int(truncatingIfNeeded: hash) & mask
    let tag = hash & 0xFFFF_FFFF_0000_0000
    while true {
      let slot = slots[place]
      if slot == 0 { return nil }
      if slot & 0xFFFF_FFFF_0000_0000 == tag {
        let index = Int(truncatingIfNeeded: slot & 0xFFFF_FFFF) &- 1
        let entry = entries + index
        if Int(entry.pointee.keyCount) == keyCount
          && equalBytes(entry.pointee.key, key, count: keyCount)
        {
          return index
        }
      }
      place = (place &+ 1) & mask
    }
  }

  /// Finds the key, or adds it with the value 0.
  ///
  /// - Parameters:
  ///   - hash: Of the key, by `hash64`, the same for the same key.
  ///   - mark: Kept with a key that is new.
  /// - Returns: The key's index.
  @inline(__always)
  public func insert(
    _ key: UnsafePointer<UInt8>, count keyCount: Int, hash: UInt64, mark: UInt32
  ) -> Int {
    if let index = index(of: key, count: keyCount, hash: hash) { return index }
    return append(key, keyCount, hash, mark)
  }

  @inline(never)
  private func append(
    _ key: UnsafePointer<UInt8>, _ keyCount: Int, _ hash: UInt64, _ mark: UInt32
  ) -> Int {
    if count == storage.pointee.entryCapacity { grow() }
    precondition(count < Int(UInt32.max) - 1, "too many keys for one table")
    (entries + count).initialize(
      to: Entry(
        key: copiesKeys ? arena.copy(key, count: keyCount) : key, keyCount: UInt32(keyCount),
        mark: mark, value: 0))
    storage.pointee.count &+= 1
    put(hash, count)
    return count &- 1
  }

  private func put(_ hash: UInt64, _ number: Int) {
    let (slots, mask) = (storage.pointee.slots, storage.pointee.mask)
    var place = Int(truncatingIfNeeded: hash) & mask
    while slots[place] != 0 { place = (place &+ 1) & mask }
    slots[place] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(number)
  }

  private func grow() {
    let old = storage.pointee
    let entries = UnsafeMutablePointer<Entry>.allocate(capacity: old.entryCapacity * 2)
    entries.moveInitialize(from: old.entries, count: old.count)
    old.entries.deallocate()
    old.slots.deallocate()
    let capacity = (old.mask + 1) * 2
    let slots = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
    slots.initialize(repeating: 0, count: capacity)
    storage.pointee = Storage(
      entries: entries, count: old.count, entryCapacity: old.entryCapacity * 2, slots: slots,
      mask: capacity - 1)
    for index in 0..<old.count {
      let entry = entries[index]
      put(hash64(entry.key, count: Int(entry.keyCount)), index + 1)
    }
  }

  /// Forgets all keys; keeps the memory.
  public func removeAll() {
    storage.pointee.slots.update(repeating: 0, count: storage.pointee.mask + 1)
    storage.pointee.count = 0
    arena.reset()
  }
}
