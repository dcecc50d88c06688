import Core

extension RankSettings {
  /// `rank: {…}` below a model's `operator:`.
  static var form: Form<RankSettings> {
    .object { keys in
      let names = Form<[String]>.list(of: .text, isEmptyAllowed: false)
      let input = keys.required("input", .text, "The source or model it reads.")
      let by = keys.required(
        "by", names, "The columns that tell its rows apart; numbers of equal ones are added up.")
      let sum = keys.optional(
        "sum", .text, "The column that is added up, an int or a bigint; the result's has its name.")
      let count = keys.optional(
        "count", .text, "Instead of sum: the result's column that counts the rows.")
      let within = keys.optional(
        "within", .list(of: .text), default: [],
        "The columns of by that make a group; without any, all rows are ranked together.")
      let top = keys.required(
        "top", .integer(1...Int.max), "The last rank that is in the result.")
      let ties = keys.optional(
        "ties", Form<Ties>.word, default: .rank,
        "What equal numbers get: rank (1, 1, 3), dense_rank (1, 1, 2), or row_number (1, 2, 3 in "
          + "the order of the other columns of by).")
      let except = keys.optional("except", exception, "An input that lists rows to leave out.")
      let conditions = keys.optional(
        "where", .list(of: condition), default: [],
        "Comparisons that a row must satisfy, all of them: \"views >= 10\", \"domain != 'en'\".")
      keys.exactlyOne(of: ["sum", "count"])
      keys.verify { reader in
        for (key, columns) in [("within", within), ("except", except?.on ?? [])] {
          for column in columns where !by.contains(column) {
            reader.fail(
              .unknownName, "'\(column)' is not among the columns of 'by'",
              at: keys.mark(of: key) ?? keys.mark,
              advice: suggestion(for: column, among: by, called: "it has"))
          }
        }
      }
      return RankSettings(
        input: input, by: by, within: within,
        measure: count.map(Measure.count) ?? .sum(sum ?? ""), top: top, ties: ties,
        except: except, conditions: conditions)
    }
  }

  private static var exception: Form<Exception> {
    .object { keys in
      let input = keys.required("input", .text, "The source or model with the rows to leave out.")
      let on = keys.required(
        "on", Form<[String]>.list(of: .text, isEmptyAllowed: false),
        "The columns, of both inputs and among by, that must be equal.")
      let percentDecode = keys.optional(
        "percent_decode", .list(of: Form<String>.text.located), default: [],
        "Those of on that are compared with %C3%A9 undone on both sides; what is not UTF-8 then "
          + "is compared as it is.")
      keys.verify { reader in
        for column in percentDecode where !on.contains(column.value) {
          reader.fail(
            .unknownName, "'\(column.value)' is not among the columns of 'on'", at: column.mark,
            advice: suggestion(for: column.value, among: on, called: "it has"))
        }
      }
      return Exception(input: input, on: on, percentDecode: percentDecode.map(\.value))
    }
  }

  private static var condition: Form<Condition> {
    Form<String>.text(expecting: "a comparison such as \"views >= 10\"").map(
      placeholder: Condition(column: "", operation: "=", constant: .integer(0))
    ) { text, node, reader in
      if let condition = Condition(parsing: text) { return condition }
      reader.fail(
        .badValue, "\(node.shown) is no comparison", at: node.mark,
        advice: "write a column, one of = != < <= > >=, and a number or 'text'")
      return nil
    }
  }

  /// Compares the columns that a model declares with those that there are.
  static func check(
    _ settings: RankSettings, of kind: Model.Kind?, _ columns: [Named<TableDraft.Column>],
    _ reader: Reader
  ) {
    let made = settings.columns + (kind == .interval ? ["interval_start", "interval_end"] : [])
    for column in columns where !made.contains(column.name) {
      reader.fail(
        .unknownName, "'rank' makes no column '\(column.name)'", at: column.mark,
        advice: suggestion(for: column.name, among: made, called: "it makes"))
    }
  }
}
