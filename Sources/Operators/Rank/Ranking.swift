import Core
import Kernels

/// Ranks the members of every group that several threads have kept. Threads share the groups out
/// among themselves, as sorting is what is left when all input is read.
struct Ranking: @unchecked Sendable {
  // Unchecked: the candidates are only read.

  /// One row of the result.
  struct Row {
    /// Which of `owners` has its candidate, and where.
    var owner: Int32
    var place: Int32
    var rank: Int64
  }

  /// What a thread has kept of a group.
  private struct Part {
    var name: UnsafeBufferPointer<UInt8>
    var owner: Int
    var group: Int
  }

  private struct Member {
    var candidate: TopCandidates.Candidate
    var owner: Int32
    var place: Int32
  }

  private let owners: [TopCandidates]
  /// In the order of the groups' names.
  private let parts: [Part]

  init(_ owners: [TopCandidates]) {
    self.owners = owners
    var parts: [Part] = []
    for (owner, candidates) in owners.enumerated() {
      for group in 0..<candidates.groupCount {
        parts.append(Part(name: candidates.name(of: group), owner: owner, group: group))
      }
    }
    self.parts = parts.sorted { Ranking.order($0, $1) < 0 }
  }

  private static func order(_ a: Part, _ b: Part) -> Int {
    compareBytes(a.name.baseAddress!, a.name.count, b.name.baseAddress!, b.name.count)
  }

  /// The result, by group and rank; equal ranks by member.
  func rows(threads: Int) throws -> [Row] {
    let ranges = ranges(upTo: threads == 1 ? 1 : 4 * threads)
    let ranked = concurrently(ranges, limit: threads) { SendableBox(rows(of: $0)) }
    return try ranked.flatMap { try $0.get().value }
  }

  /// Cuts the parts between groups.
  private func ranges(upTo count: Int) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start = 0
    while start < parts.count {
      var end = min(parts.count, start + (parts.count + count - 1) / count)
      while end < parts.count && Ranking.order(parts[end - 1], parts[end]) == 0 { end += 1 }
      ranges.append(start..<end)
      start = end
    }
    return ranges
  }

  private func rows(of range: Range<Int>) -> [Row] {
    var rows: [Row] = []
    var members: [Member] = []
    var rest = parts[range]
    while let first = rest.first {
      let group = rest.prefix { Ranking.order(first, $0) == 0 }
      rest = rest.dropFirst(group.count)
      members.removeAll(keepingCapacity: true)
      let bound = group.map { owners[$0.owner].bound(of: $0.group) }.max()!
      for part in group {
        owners[part.owner].forEachCandidate(of: part.group) { place, candidate in
          guard candidate.value >= bound else { return }
          members.append(Member(candidate: candidate, owner: Int32(part.owner), place: place))
        }
      }
      rank(&members, nameCount: first.name.count, into: &rows)
    }
    return rows
  }

  private func rank(_ members: inout [Member], nameCount: Int, into rows: inout [Row]) {
    let (top, ties) = (owners[0].top, owners[0].ties)
    let offset = owners[0].memberOffset(nameCount: nameCount)
    members.sort { TopCandidates.precedes($0.candidate, $1.candidate, offset) }
    var rank = 0
    var distinct = 0
    for (index, member) in members.enumerated() {
      let isNew = index == 0 || member.candidate.value != members[index - 1].candidate.value
      if isNew { distinct += 1 }
      switch ties {
      case .rowNumber: rank = index + 1
      case .rank: rank = isNew ? index + 1 : rank
      case .denseRank: rank = distinct
      }
      if rank > top { break }
      rows.append(Row(owner: member.owner, place: member.place, rank: Int64(rank)))
    }
  }
}
