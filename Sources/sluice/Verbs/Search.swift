import Core
import Pipelines

extension Session {
  /// `sluice search INDEX QUERY`: the documents that match.
  func search(on backend: some Backend) throws -> Int32 {
    let limit = options.isCount ? 0 : options.limit ?? 20
    let answer = try backend.search(
      SearchRequest(
        index: operands[0], query: operands[1], offset: options.offset, limit: limit,
        isRanked: options.isRanked))
    try write(json: answer.jsonLines, text: text(of: answer))
    console.close()
    guard !options.json, !options.isCount else { return 0 }
    let end = options.offset + Int64(answer.hits.count)
    if end < answer.total && !answer.hits.isEmpty {
      console.note(
        "\(grouped(Int(options.offset) + 1)) to \(grouped(Int(end))) of "
          + "\(counted(Int(answer.total), "document")); the next with --offset \(end)")
    } else {
      console.note(counted(Int(answer.total), "document"))
    }
    return 0
  }

  private func text(of answer: SearchAnswer) -> String {
    if options.isCount { return "\(answer.total)\n" }
    return answer.hits.map { hit in
      let score = hit.score.map { padded(scoreText($0), to: 9, onLeft: true) + "  " } ?? ""
      return score + printable(hit.file) + "\n"
    }.joined()
  }

  /// Four digits after the point.
  private func scoreText(_ score: Double) -> String {
    let scaled = Int64((score * 10_000).rounded())
    return "\(scaled / 10_000).\(String(scaled % 10_000).paddedLeft(to: 4, with: "0"))"
  }
}
