import Core

/// How a query's columns become the declared ones: matched by name, cast to their types (rule 27).
///
/// Casts never lose silently: what cannot lose is cast; what may lose is cast, cast back and
/// compared in each row; and between kinds of types (text and numbers, say) the query itself has to
/// cast, as it does for types that tables do not have.
struct OutputColumns {
  /// One SELECT expression per declared column, each named as declared.
  let expressions: [String]

  /// - Throws: `.wrongColumns`, naming all columns that are wrong.
  init(
    declared: Schema, given: [(name: String, type: VectorType)], label: String
  ) throws(EngineError) {
    var problems: [String] = []
    var advice: [String] = []
    var byName: [String: (name: String, type: VectorType)] = [:]
    for column in given where byName.updateValue(column, forKey: column.name.lowercased()) != nil {
      problems.append("two columns are called \(column.name)")
    }
    var expressions: [String] = []
    for field in declared.fields {
      guard let column = byName.removeValue(forKey: field.name.lowercased()) else {
        problems.append("the declared column \(field.name) is missing")
        continue
      }
      switch Conversion(from: column.type, to: field.type) {
      case .refused(let reason):
        problems.append("column \(field.name) is \(reason), declared \(field.type)")
        advice.append("write (…)::\(field.type.duckDBName.lowercased()) AS \(field.name)")
      case .plain: expressions.append(OutputColumns.cast(column.name, field))
      case .checked: expressions.append(OutputColumns.checkedCast(column, field))
      }
    }
    for column in given where byName[column.name.lowercased()] != nil {
      problems.append("the column \(column.name) is not declared")
      let missing = declared.fields.map(\.name).filter { name in
        !given.contains { $0.name.lowercased() == name.lowercased() }
      }
      if let known = nearest(to: column.name, among: missing) {
        advice.append("is \(column.name) meant to be \(known)?")
      }
    }
    guard problems.isEmpty else {
      let hint = advice.isEmpty ? "the columns of the SQL and of the model must agree" : nil
      throw EngineError(
        .wrongColumns, problems.joined(separator: "; "), at: Place(model: label),
        advice: hint ?? advice.joined(separator: "; "), exitCode: 2)
    }
    self.expressions = expressions
  }

  private static func cast(_ column: String, _ field: Field) -> String {
    "CAST(\(column.quotedName) AS \(field.type.duckDBName)) AS \(field.name.quotedName)"
  }

  private static func checkedCast(
    _ column: (name: String, type: VectorType), _ field: Field
  ) -> String {
    let name = column.name.quotedName
    let cast = "CAST(\(name) AS \(field.type.duckDBName))"
    let back = "CAST(\(cast) AS \(column.type.fieldType.duckDBName))"
    let message =
      "'column \(field.name): ' || CAST(\(name) AS VARCHAR) || "
      + "' is no \(field.type) without loss; round or cast it in the SQL'"
    return "CASE WHEN \(back) IS NOT DISTINCT FROM \(name) THEN \(cast) "
      + "ELSE error(\(message.replacingQuotes(of: field.name))) END AS \(field.name.quotedName)"
  }
}

extension String {
  /// Doubles the quotes of a name that stands inside a literal.
  fileprivate func replacingQuotes(of name: String) -> String {
    guard name.contains("'") else { return self }
    let doubled = String(name.quotedLiteral.dropFirst().dropLast())
    return split(separator: name, maxSplits: 1, omittingEmptySubsequences: false)
      .joined(separator: doubled)
  }
}

/// What a cast between two types may do to values.
enum Conversion {
  /// Every value keeps its meaning, or the cast fails by itself (overflow).
  case plain
  /// Some values would be rounded.
  case checked
  /// The SQL must cast; the type as messages say it.
  case refused(String)

  init(from source: VectorType, to target: FieldType) {
    switch (source, target) {
    case (.null, _), (.boolean, .boolean), (.string, .string), (.binary, .binary),
      (.binary, .fixed), (.uuid, .uuid), (.time, .time):
      self = .plain
    case (.hugeint, _): self = .refused("HUGEINT, as the sum of a bigint is")
    case (.integer(64, false), _): self = .refused("UBIGINT")
    case (.foreign(let name), _): self = .refused(name)

    case (.integer, .int), (.integer, .bigint), (.integer, .decimal): self = .plain
    case (.integer(let bits, _), .double): self = bits <= 32 ? .plain : .checked
    case (.integer(let bits, _), .float): self = bits <= 16 ? .plain : .checked
    case (.float, .float), (.float, .double), (.double, .double): self = .plain
    case (.float, .int), (.float, .bigint), (.float, .decimal), (.double, .int),
      (.double, .bigint), (.double, .decimal), (.double, .float):
      self = .checked
    case (.decimal(_, _, let scale), .decimal(_, let wanted)):
      self = scale <= wanted ? .plain : .checked
    case (.decimal(_, _, let scale), .int), (.decimal(_, _, let scale), .bigint):
      self = scale == 0 ? .plain : .checked
    case (.decimal, .double), (.decimal, .float): self = .checked

    case (.date, .date), (.date, .timestamp), (.date, .timestamptz), (.timestamp, .timestamp),
      (.timestamp, .timestamptz), (.timestamptz, .timestamptz), (.timestamptz, .timestamp):
      self = .plain
    case (.timestamp, .date), (.timestamptz, .date): self = .checked

    case (.list(let element), .list(let wanted)), (.array(let element, _), .list(let wanted)):
      self = Conversion.nested([(element, wanted.type)], source)
    case (.map(let key, let value), .map(let wantedKey, let wantedValue)):
      self = Conversion.nested([(key, wantedKey.type), (value, wantedValue.type)], source)
    case (.structure(let fields), .structure(let wanted))
    where fields.map({ $0.name.lowercased() }) == wanted.map({ $0.name.lowercased() }):
      self = Conversion.nested(
        zip(fields, wanted).map { ($0.type, $1.type) }, source)
    default: self = .refused("\(source.fieldType)")
    }
  }

  /// Nested values are not compared row by row: what may lose is refused.
  private static func nested(
    _ pairs: [(VectorType, FieldType)], _ whole: VectorType
  ) -> Conversion {
    for (source, target) in pairs {
      switch Conversion(from: source, to: target) {
      case .plain: continue
      case .checked: return .refused("\(whole.fieldType)")
      case .refused(let reason): return .refused("\(whole.fieldType) (with \(reason))")
      }
    }
    return .plain
  }
}
