import Core

extension WordIndexSettings {
  /// `word_index: {…}` below a model's `operator:`.
  static var form: Form<WordIndexSettings> {
    .object { keys in
      let input = keys.required("input", .text, "The source it reads, one of 'format: text'.")
      let documentID = keys.optional(
        "doc_id", Form<DocumentID>.word, default: .auto,
        "How files are numbered: number, by the number that their name is without folders and "
          + "extensions; assigned, by the order in which they come; auto, by number where every "
          + "file of the first run has one of its own, else assigned.")
      let tokenizer = keys.optional(
        "tokenizer", tokenizerForm, "What counts as a word, and which words are the same.")
      return WordIndexSettings(
        input: input, documentID: documentID, tokenizer: tokenizer ?? Tokenizer())
    }
  }

  private static var tokenizerForm: Form<Tokenizer> {
    .object(isOptional: true) { keys in
      let length = Form<Int>.integer(1...longestWord)
      let tokenizer = Tokenizer(
        words: keys.optional(
          "words", .word, default: .unicode,
          "unicode: runs of letters, marks, digits and '_' of all scripts; ascii: of a-z, A-Z, 0-9 "
            + "and '_' only."),
        letterCase: keys.optional(
          "case", .word, default: .lower,
          "lower: each character in lower case; fold: also without those differences of case that "
            + "lower case keeps, such as 'ς' and 'σ'; keep: as written."),
        minimumLength: keys.optional(
          "min_length", length, default: 1, "Shorter words, in code points, are left out."),
        maximumLength: keys.optional(
          "max_length", length, default: 255, "Longer words, in code points, are left out."),
        accents: keys.optional(
          "accents", .word, default: .keep, "fold: 'é' counts as 'e'."),
        stopWords: keys.optional(
          "stop_words", .list(of: .text), default: [], "Words that are left out."))
      keys.verify { reader in
        guard tokenizer.minimumLength > tokenizer.maximumLength else { return }
        reader.fail(
          .badValue, "'min_length' is more than 'max_length'",
          at: keys.mark(of: "min_length") ?? keys.mark)
      }
      return tokenizer
    }
  }

  private static let longestWord = 4096

  /// Compares the outputs that a model declares with the tables that there are.
  static func check(_ outputs: [Named<TableDraft>], of model: YAMLNode.Mark, _ reader: Reader) {
    for (name, columns) in tables {
      guard let output = outputs.first(where: { $0.name == name }) else {
        reader.fail(
          .missingKey, "the output '\(name)' is missing", at: model,
          advice: "'word_index' makes the tables words, documents and postings")
        continue
      }
      // Columns that failed to read would only be missed a second time.
      guard output.value.isSound else { continue }
      check(output, columns, reader)
    }
    for output in outputs where !tables.contains(where: { $0.name == output.name }) {
      reader.fail(
        .unknownName, "'word_index' makes no table '\(output.name)'", at: output.mark,
        advice: suggestion(for: output.name, among: tables.map(\.name), called: "it makes"))
    }
  }

  private static func check(
    _ output: Named<TableDraft>, _ columns: [(name: String, type: FieldType)], _ reader: Reader
  ) {
    for column in output.value.columns {
      guard let made = columns.first(where: { $0.name == column.name }) else {
        reader.fail(
          .unknownName, "the table '\(output.name)' has no column '\(column.name)'",
          at: column.mark,
          advice: suggestion(for: column.name, among: columns.map(\.name), called: "it has"))
        continue
      }
      if "\(made.type)" != "\(column.value.type)" {
        reader.fail(
          .badValue,
          "'\(column.name)' is \(made.type.withArticle), not "
            + column.value.type.withArticle, at: column.mark)
      }
    }
    for (name, type) in columns where !output.value.columns.contains(where: { $0.name == name }) {
      reader.fail(
        .missingKey, "the column '\(name)' is missing", at: output.mark,
        advice: "write \(name): {type: \(type)}")
    }
  }
}
