import Core
import Engines
import Testing

@Suite struct RowsTests {
  @Test("only the parameters that the statement names are bound")
  func parameters() throws {
    let values: [String: Value] = ["x": .string("é"), "unused": .integer(1)]
    #expect(
      try engine.rows("SELECT 1 AS a, $x AS b -- done;", values) == [[.integer(1), .string("é")]])
    #expect(try engine.rows("SELECT $X || '$nothing' AS b;", values) == [[.string("é$nothing")]])
  }

  @Test func missingParameter() {
    let error = engineError { _ = try engine.rows("SELECT $tpo", ["top": .integer(1)]) }
    #expect(error?.code == .badQuery)
    #expect(error?.exitCode == 2)
    #expect(error?.advice == "did you mean $top?")
  }
}
