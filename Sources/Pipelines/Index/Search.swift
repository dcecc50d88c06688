import Core
import Lake
import Operators
import Project

/// What is asked of an index.
public struct SearchRequest: Sendable, Hashable {
  /// A pipeline that keeps one index, or `pipeline.model`.
  public var index: String
  /// `a AND (b OR NOT c*)`.
  public var query: String
  /// Documents that are passed over.
  public var offset: Int64
  /// How many documents are shown; 0 only counts them.
  public var limit: Int
  /// The best first, with scores, instead of by number.
  public var isRanked: Bool

  public init(
    index: String, query: String, offset: Int64 = 0, limit: Int = 20, isRanked: Bool = false
  ) {
    self.index = index
    self.query = query
    self.offset = offset
    self.limit = limit
    self.isRanked = isRanked
  }
}

/// What an index answers.
public struct SearchAnswer: Sendable, Hashable {
  /// `pipeline.model`.
  public var index: String
  /// The version of the index that was asked.
  public var version: Int
  /// All documents that match, whatever was asked to be shown.
  public var total: Int64
  public var hits: [Hit]

  public struct Hit: Sendable, Hashable {
    public var documentID: Int64
    public var file: String
    public var byteCount: Int64
    public var tokenCount: Int64
    /// Of ranked answers.
    public var score: Double?

    public init(
      documentID: Int64, file: String, byteCount: Int64, tokenCount: Int64, score: Double? = nil
    ) {
      self.documentID = documentID
      self.file = file
      self.byteCount = byteCount
      self.tokenCount = tokenCount
      self.score = score
    }
  }

  public init(index: String, version: Int, total: Int64, hits: [Hit]) {
    self.index = index
    self.version = version
    self.total = total
    self.hits = hits
  }
}

extension Workspace {
  /// Finds the documents of an index that match a query, in the version that is the newest now.
  ///
  /// - Throws: `PipelineError` `.unknownName`; `OperatorError` `.badQuery` with the column; `LakeError`
  ///   for an index that cannot be read.
  public func search(_ request: SearchRequest) throws -> SearchAnswer {
    let model = try index(named: request.index)
    let id = TableID(model.pipeline, model.name)
    let index = lake.index(id)
    guard let manifest = try index.newest() else {
      throw PipelineError(
        .unknownName, "the index \(id) is not built yet",
        advice: "make it with 'sluice run \(id.pipeline)'")
    }
    let query = try IndexQuery(
      request.query, tokenizer: TokenizerSettings(canonicalText: manifest.tokenizer))
    let open = OpenIndex(index)
    let searcher = try IndexSearcher(
      manifest.segments.filter { $0.liveCount > 0 }.map { try open.searchable($0) })
    var answer = SearchAnswer(
      index: id.description, version: manifest.version, total: try searcher.count(query), hits: [])
    guard request.limit > 0, request.offset < answer.total else { return answer }
    let hits =
      try request.isRanked
      ? searcher.ranked(query, offset: Int(request.offset), limit: request.limit)
      : searcher.documents(query, offset: request.offset, limit: request.limit)
    answer.hits = hits.map { hit in
      SearchAnswer.Hit(
        documentID: Int64(hit.document.id), file: hit.document.key, byteCount: hit.document.size,
        tokenCount: hit.document.tokens, score: hit.score)
    }
    return answer
  }

  private func index(named name: String) throws -> Model {
    let all = project.pipelines.flatMap(\.models).filter(\.ownsIndex)
    if let model = all.first(where: { $0.qualifiedName == name }) { return model }
    let found = all.filter { $0.pipeline == name || $0.name == name }
    if found.count == 1 { return found[0] }
    guard found.isEmpty else {
      throw PipelineError(
        .usage, "'\(name)' may be several indexes",
        advice: "write one of \(found.map(\.qualifiedName).joined(separator: ", "))", exitCode: 2)
    }
    let known = all.flatMap { [$0.pipeline, $0.qualifiedName] }
    throw PipelineError(
      .unknownName, "there is no index '\(name)'",
      advice: nearest(to: name, among: known).map { "did you mean '\($0)'?" }
        ?? (all.isEmpty
          ? "no model of the project has 'operator: word_index'"
          : "the project has: \(all.map(\.qualifiedName).joined(separator: ", "))"),
      exitCode: 2)
  }
}

extension SearchAnswer {
  /// One object a line of `search --json`: the hits, then the answer as a whole.
  public var jsonLines: [JSON] {
    hits.map { hit in
      .object(
        [
          .init("type", "hit"), .init("doc_id", .integer(hit.documentID)),
          .init("file", .string(hit.file)), .init("size", .integer(hit.byteCount)),
          .init("tokens", .integer(hit.tokenCount)),
        ] + (hit.score.map { [.init("score", .number($0))] } ?? []))
    } + [
      [
        "type": "search", "index": .string(index), "version": .integer(Int64(version)),
        "total": .integer(total), "shown": .integer(Int64(hits.count)),
      ]
    ]
  }
}
