import Kernels

/// Of every group, the members that may still be among the greatest: what one thread keeps while it
/// goes through totals.
///
/// A group has a bound, below which nothing can matter any more; it rises whenever the group has
/// gathered twice what it needs. Memory is what may be in the result.
final class TopCandidates {
  struct Candidate {
    var value: Int64
    var key: UnsafePointer<UInt8>
    var keyCount: UInt32
    /// The group's next candidate, or the next free place; -1 at the end.
    var next: Int32
  }

  private struct Group {
    /// What is less is out.
    var bound = Int64.min
    /// For `row_number`: what equals the bound and comes after this member is out. -1: none yet.
    var worst: Int32 = -1
    var head: Int32 = -1
    var count: Int32 = 0
    var pruneAt: Int32
  }

  let top: Int
  let ties: RankDefinition.Ties
  private let coding: KeyCoding
  private let exclusion: Exclusion?
  private let names = KeyTable()
  /// Where the groups are: behind a pointer, as a class's variables are guarded at every use.
  private let groupStart: UnsafeMutablePointer<UnsafeMutablePointer<Group>>
  private var groups: UnsafeMutablePointer<Group> { groupStart.pointee }
  private var groupCapacity = 64
  private var candidates: UnsafeMutablePointer<Candidate>
  private var candidateCapacity = 1024
  private var candidateCount = 0
  private var free: Int32 = -1
  private var arena = ByteArena()
  private var liveByteCount = 0

  init(_ definition: RankDefinition, _ coding: KeyCoding, _ exclusion: Exclusion?) {
    top = min(definition.top, 1 << 29)
    ties = definition.ties
    self.coding = coding
    self.exclusion = exclusion.flatMap { $0.isEmpty ? nil : $0 }
    groupStart = .allocate(capacity: 1)
    groupStart.initialize(to: .allocate(capacity: groupCapacity))
    candidates = .allocate(capacity: candidateCapacity)
  }

  deinit {
    groups.deallocate()
    groupStart.deallocate()
    candidates.deallocate()
  }

  // MARK: - Gathering

  /// The number of the group that a key begins with.
  @inline(__always)
  func group(of key: UnsafePointer<UInt8>, count: Int) -> Int {
    let hash = hash64(key, count: count)
    return names.index(of: key, count: count, hash: hash) ?? add(key, count, hash)
  }

  @inline(never)
  private func add(_ key: UnsafePointer<UInt8>, _ count: Int, _ hash: UInt64) -> Int {
    let number = names.insert(key, count: count, hash: hash, mark: 0)
    if number == groupCapacity {
      groupStart.pointee = TopCandidates.grown(groups, count: number, to: groupCapacity * 2)
      groupCapacity *= 2
    }
    (groups + number).initialize(to: Group(pruneAt: Int32(2 * top + 16)))
    return number
  }

  private static func grown<T>(
    _ old: UnsafeMutablePointer<T>, count: Int, to capacity: Int
  ) -> UnsafeMutablePointer<T> {
    let larger = UnsafeMutablePointer<T>.allocate(capacity: capacity)
    larger.moveInitialize(from: old, count: count)
    old.deallocate()
    return larger
  }

  /// Considers a member with its total. Each key may be offered once only.
  ///
  /// - Parameter key: Of group and member; copied if it is kept.
  @inline(__always)
  func offer(
    _ group: Int, _ value: Int64, _ key: UnsafePointer<UInt8>, count: Int, groupCount: Int
  ) {
    if value < groups[group].bound { return }
    consider(group, value, key, count, groupCount)
  }

  @inline(never)
  private func consider(
    _ group: Int, _ value: Int64, _ key: UnsafePointer<UInt8>, _ count: Int, _ groupCount: Int
  ) {
    let worst = groups[group].worst
    if worst >= 0 && value == groups[group].bound {
      let offset = coding.memberOffset(groupCount)
      let other = candidates[Int(worst)]
      let order = compareBytes(
        key + offset, count - offset, other.key + offset, Int(other.keyCount) - offset)
      if order > 0 { return }
    }
    if let exclusion,
      exclusion.contains(UnsafeBufferPointer(start: key, count: count))
    {
      return
    }
    let place = take()
    candidates[Int(place)] = Candidate(
      value: value, key: arena.copy(key, count: count), keyCount: UInt32(count),
      next: groups[group].head)
    liveByteCount += count
    groups[group].head = place
    groups[group].count += 1
    if groups[group].count >= groups[group].pruneAt {
      prune(group)
      if arena.byteCount > 4 << 20 && arena.byteCount > 4 * liveByteCount { compact() }
    }
  }

  private func take() -> Int32 {
    if free >= 0 {
      let place = free
      free = candidates[Int(place)].next
      return place
    }
    if candidateCount == candidateCapacity {
      precondition(candidateCapacity < 1 << 30, "more than two billion candidates")
      candidates = TopCandidates.grown(
        candidates, count: candidateCount, to: candidateCapacity * 2)
      candidateCapacity *= 2
    }
    candidateCount += 1
    return Int32(candidateCount - 1)
  }

  // MARK: - Pruning

  private func places(of group: Int) -> [Int32] {
    var places: [Int32] = []
    places.reserveCapacity(Int(groups[group].count))
    forEachCandidate(of: group) { place, _ in places.append(place) }
    return places
  }

  /// Raises the group's bound and lets go of what is below it.
  private func prune(_ group: Int) {
    var places = places(of: group)
    var values = places.map { candidates[Int($0)].value }
    let bound = values.withUnsafeMutableBufferPointer {
      boundOfTop(top, of: $0, isDistinct: ties == .denseRank)
    }
    if let bound {
      groups[group].bound = bound
      if ties == .rowNumber {
        sort(&places, memberOffset(nameCount: name(of: group).count))
        groups[group].worst = places[top - 1]
        drop(places[top...])
        places.removeSubrange(top...)
      } else {
        drop(places.filter { candidates[Int($0)].value < bound }[...])
        places.removeAll { candidates[Int($0)].value < bound }
      }
      groups[group].head = -1
      for place in places {
        candidates[Int(place)].next = groups[group].head
        groups[group].head = place
      }
      groups[group].count = Int32(places.count)
    }
    groups[group].pruneAt = Int32(min(Int(Int32.max) - 1, max(2 * top + 16, 2 * places.count)))
  }

  private func drop(_ places: ArraySlice<Int32>) {
    for place in places {
      liveByteCount -= Int(candidates[Int(place)].keyCount)
      candidates[Int(place)].value = Int64.min
      candidates[Int(place)].next = free
      free = place
    }
  }

  /// Moves the keys that are left to new memory.
  private func compact() {
    let fresh = ByteArena()
    for group in 0..<names.count {
      var place = groups[group].head
      while place >= 0 {
        let candidate = candidates[Int(place)]
        candidates[Int(place)].key = fresh.copy(candidate.key, count: Int(candidate.keyCount))
        place = candidate.next
      }
    }
    arena = fresh
  }

  /// Greatest numbers first; equal ones by their members.
  private func sort(_ places: inout [Int32], _ offset: Int) {
    let candidates = candidates
    places.sort {
      TopCandidates.precedes(candidates[Int($0)], candidates[Int($1)], offset)
    }
  }

  /// - Parameter offset: Where members begin in the keys of the group.
  @inline(__always)
  static func precedes(_ a: Candidate, _ b: Candidate, _ offset: Int) -> Bool {
    if a.value != b.value { return a.value > b.value }
    return compareBytes(
      a.key + offset, Int(a.keyCount) - offset, b.key + offset, Int(b.keyCount) - offset) < 0
  }

  func memberOffset(nameCount: Int) -> Int { coding.memberOffset(nameCount) }

  // MARK: - The end

  var groupCount: Int { names.count }

  func name(of group: Int) -> UnsafeBufferPointer<UInt8> {
    let name = names.entries[group]
    return UnsafeBufferPointer(start: name.key, count: Int(name.keyCount))
  }

  /// What is less has no place in the result.
  func bound(of group: Int) -> Int64 { groups[group].bound }

  func forEachCandidate(of group: Int, _ body: (_ place: Int32, Candidate) -> Void) {
    var place = groups[group].head
    while place >= 0 {
      let candidate = candidates[Int(place)]
      body(place, candidate)
      place = candidate.next
    }
  }

  /// - Parameter place: Of a row of the result.
  func candidate(_ place: Int32) -> (key: UnsafeBufferPointer<UInt8>, value: Int64) {
    let candidate = candidates[Int(place)]
    return (
      UnsafeBufferPointer(start: candidate.key, count: Int(candidate.keyCount)), candidate.value
    )
  }
}
