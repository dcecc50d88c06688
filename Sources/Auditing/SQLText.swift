import Core

/// A query's text under construction: values are bound, names are quoted, never pasted.
struct SQLBuilder {
  private(set) var parameters: [String: Value] = [:]

  /// Binds a value and returns the `$name` that stands for it.
  mutating func bind(_ value: Value) -> String {
    let name = "p\(parameters.count)"
    parameters[name] = value
    return "$\(name)"
  }
}

/// A name as SQL writes it whatever it contains: `"a ""b"""`.
func quoted(_ name: String) -> String {
  var text = "\""
  for scalar in name.unicodeScalars {
    if scalar == "\"" { text += "\"" }
    text.unicodeScalars.append(scalar)
  }
  return text + "\""
}

/// How audits call the rows that are about to be published.
let stagedName = "staged"
/// How audits call the rows that are published already and stay.
let currentName = "published"

/// A column of the staged rows, qualified, so that no alias can stand in for it.
func stagedColumn(_ name: String) -> String { "\(stagedName).\(quoted(name))" }
