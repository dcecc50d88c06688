import Testing

@testable import Engines

@Suite struct SQLTextTests {
  @Test(arguments: [
    ("SELECT $a", "SELECT <a>"),
    ("SELECT '$a', \"$a\", $a", "SELECT '$a', \"$a\", <a>"),
    ("SELECT E'\\'$a', 'it''s $a' || $b", "SELECT E'\\'$a', 'it''s $a' || <b>"),
    ("SELECT $$ $a $$, $t$ $a $$ $t$, $a", "SELECT $$ $a $$, $t$ $a $$ $t$, <a>"),
    ("SELECT -- $a\n $b /* /* $c */ $d */ + $e", "SELECT -- $a\n <b> /* /* $c */ $d */ + <e>"),
    ("SELECT a$b, $c::int, $d;", "SELECT a$b, <c>::int, <d>"),
    ("SELECT 1 ; ; -- end", "SELECT 1"),
    ("SELECT $é", "SELECT <é>"),
    ("SELECT 'open $a", "SELECT 'open $a"),
    ("", ""),
  ])
  func parametersAreReplaced(_ sql: String, _ expected: String) {
    #expect(SQLText(sql).replacingParameters { "<\($0)>" }.text == expected)
  }

  @Test(arguments: ["SELECT $a, 'x' -- c\n FROM t;", "é\"\"/*", "$", "$1 $$", "E'", "-", "/"])
  func tokensTile(_ sql: String) {
    let text = SQLText(sql)
    var end = 0
    for token in text.tokens {
      #expect(token.range.lowerBound == end)
      #expect(!token.range.isEmpty)
      end = token.range.upperBound
    }
    #expect(end == text.bytes.count)
  }

  @Test func positionsCountCharacters() {
    let text = SQLText("é,é\n ü$x")
    #expect(text.position(ofByte: 0) == (1, 1))
    #expect(text.position(ofByte: 3) == (1, 3))
    #expect(text.position(ofByte: 6) == (2, 1))
    #expect(text.position(ofByte: 9) == (2, 3))
    #expect(text.position(ofByte: 99) == (2, 5))
  }
}
