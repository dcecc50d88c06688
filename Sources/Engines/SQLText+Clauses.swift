extension SQLText {
  /// The FROM of the clause in which a token stands, looking out of parentheses as needed.
  func from(before start: Int) -> Int? {
    var depth = 0
    var index = start - 1
    while index >= 0 {
      switch word(index) {
      case ")": depth += 1
      case "(": depth = max(depth - 1, 0)
      case "from" where depth == 0:
        // `a IS DISTINCT FROM b`, in the condition of a join before.
        let before = tokens[..<index].lastIndex { $0.kind != .gap }
        if before.map(word) != "distinct" { return index }
      default: break
      }
      index -= 1
    }
    return nil
  }

  /// The parenthesis that opens around a token.
  func openParenthesis(before start: Int) -> Int? {
    var depth = 0
    for index in stride(from: start - 1, through: 0, by: -1) {
      switch word(index) {
      case ")": depth += 1
      case "(" where depth == 0: return index
      case "(": depth -= 1
      default: break
      }
    }
    return nil
  }

  private func word(_ index: Int) -> String {
    String(decoding: bytes[tokens[index].range], as: UTF8.self).lowercased()
  }
}
