/// Decides which segments to merge: those of about one size, once there are enough of them; and those
/// most of whose documents are dead.
///
/// A document is rewritten once a tier, so a collection of *n* documents in batches of *b* is
/// rewritten about log(*n* / *b*) times, to the base of the tiers' width.
public struct MergePolicy: Sendable {
  /// What is known of a segment.
  public struct Candidate: Sendable, Hashable {
    public var documentCount: Int
    public var deadCount: Int
    public var byteCount: Int64

    public init(documentCount: Int, deadCount: Int, byteCount: Int64) {
      self.documentCount = documentCount
      self.deadCount = deadCount
      self.byteCount = byteCount
    }

    /// What a merge would keep of it.
    var liveByteCount: Int64 {
      guard documentCount > 0 else { return 0 }
      let live = max(0, documentCount - deadCount)
      return Int64(Double(byteCount) * Double(live) / Double(documentCount))
    }

    var isMostlyDead: Bool { 2 * deadCount > documentCount }
  }

  private let tierWidth: Int
  private let maximumByteCount: Int64
  /// Segments of up to this size are of one tier.
  private static let leastByteCount: Int64 = 1 << 20

  /// - Parameters:
  ///   - tierWidth: How many segments of one tier become one; at least 2.
  ///   - maximumByteCount: No segment is made that is larger.
  public init(tierWidth: Int = 8, maximumByteCount: Int64 = 4 << 30) {
    self.tierWidth = max(2, tierWidth)
    self.maximumByteCount = maximumByteCount
  }

  /// Which segments to merge now.
  ///
  /// - Returns: Groups of places among the segments, each group to become one; no place comes twice.
  ///   A group of one is to be rewritten without its dead.
  public func merges(_ segments: [Candidate]) -> [[Int]] {
    var groups: [[Int]] = []
    var tiers: [Int: [Int]] = [:]
    for (index, segment) in segments.enumerated() {
      tiers[tier(segment), default: []].append(index)
    }
    var taken = Set<Int>()
    for (_, members) in tiers.sorted(by: { $0.key < $1.key }) where members.count >= tierWidth {
      var group: [Int] = []
      var byteCount: Int64 = 0
      for index in members {
        let live = segments[index].liveByteCount
        guard byteCount + live <= maximumByteCount else { continue }
        byteCount += live
        group.append(index)
      }
      guard group.count >= 2 else { continue }
      groups.append(group)
      taken.formUnion(group)
    }
    for (index, segment) in segments.enumerated()
    where !taken.contains(index) && segment.isMostlyDead {
      groups.append([index])
    }
    return groups
  }

  /// The power of the width that the size is of.
  private func tier(_ segment: Candidate) -> Int {
    var tier = 0
    var bound = MergePolicy.leastByteCount
    while segment.liveByteCount > bound && tier < 64 {
      let (next, overflow) = bound.multipliedReportingOverflow(by: Int64(tierWidth))
      bound = overflow ? .max : next
      tier += 1
    }
    return tier
  }
}
