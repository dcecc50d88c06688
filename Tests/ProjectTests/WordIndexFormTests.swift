import Core
import Testing

@testable import Project

@Suite("The outputs of word_index") struct WordIndexFormTests {
  /// A model that is right.
  static let model = """
    kind: operator
    operator:
      word_index: {input: texts}
    outputs:
      words: {columns: {word_id: bigint, word: string}}
      documents: {columns: {doc_id: bigint, file: string, size: bigint, version: string, tokens: bigint, segment: bigint}}
      postings: {columns: {word_id: bigint, doc_ids: list<bigint>, segment: bigint}}
    """

  @Test(
    "are its three tables, with their columns",
    arguments: [
      ("kind: operator", "kind: operator", []),
      (
        "words: {", "wrds: {",
        [
          "4:1: the output 'words' is missing; 'word_index' makes the tables words, documents and postings",
          "5:3: 'word_index' makes no table 'wrds'; did you mean 'words'?",
        ]
      ),
      (
        "word: string}}", "wrd: string}}",
        [
          "5:3: the column 'word' is missing; write word: {type: string}",
          "5:38: the table 'words' has no column 'wrd'; did you mean 'word'?",
        ]
      ),
      (
        "list<bigint>", "list<int>",
        ["7:41: 'doc_ids' is a list<bigint>, not a list<int>"]
      ),
      (
        "word: string}}", "word: {type: string, checks: [{not_null: {severity: quarantine}}]}}}",
        [
          "5:3: rows of 'words' cannot be set aside one by one; "
            + "the check 'word_not_null' may be 'error' or 'warn'"
        ]
      ),
      (
        "word_index: {input: texts}", "rank: {input: texts, by: [a], count: n, top: 1}",
        [
          "2:1: 'rank' makes the rows of one table, not tables of its own; "
            + "choose 'kind: full' or 'kind: interval'"
        ]
      ),
    ])
  func mistakes(_ old: String, _ new: String, _ expected: [String]) throws {
    let found = try Fixture.mistakes {
      $0["pipelines/web/models/index.yaml"] = Self.model.replacing(once: old, with: new)
    }
    #expect(found == expected.map { "models/index.yaml:\($0)" })
  }
}
