import Core

/// Everything found wrong in one pass over a project.
final class Problems {
  private var found: [any AnyFailure] = []
  private var seen: Set<String> = []
  private var order: [String: Int] = ["": 0]

  var isEmpty: Bool { found.isEmpty }

  /// Says where a file's mistakes come among those of others: in the order of being read.
  func expect(file: String) { order[file] = order[file] ?? order.count }

  func add(_ problem: any AnyFailure) {
    // A section that is read twice, on its own and under a profile, says the same twice.
    if seen.insert(problem.description).inserted { found.append(problem) }
  }

  func add(
    _ code: ProjectError.Code, _ message: String, at place: Place, advice: String? = nil
  ) {
    add(ProjectError(code, message, at: place, advice: advice, exitCode: 2))
  }

  /// - Throws: One error whose parts are all problems: files in the order they were read, each from
  ///   its top to its end.
  func throwIfAny() throws(ProjectError) {
    guard !found.isEmpty else { return }
    for problem in found { expect(file: problem.place.file ?? "") }
    let sorted = found.enumerated().sorted { a, b in
      let (left, right) = (a.element.place, b.element.place)
      return (order[left.file ?? ""]!, left.line ?? 0, left.column ?? 0, a.offset)
        < (order[right.file ?? ""]!, right.line ?? 0, right.column ?? 0, b.offset)
    }.map(\.element)
    let count = sorted.count
    throw ProjectError(
      .invalid, count == 1 ? "1 mistake in the project" : "\(count) mistakes in the project",
      exitCode: 2, parts: sorted)
  }
}

/// `did you mean 'x'?`, else the names there are.
func suggestion(
  for word: String, among names: some Sequence<String>, called plural: String
) -> String? {
  let known = Set(names)
  if let same = known.sorted().first(where: { $0.lowercased() == word.lowercased() }) {
    return "did you mean '\(same)'?"
  }
  if let near = nearest(to: word, among: known) { return "did you mean '\(near)'?" }
  guard !known.isEmpty else { return nil }
  let sorted = known.sorted()
  let shown = sorted.prefix(12).joined(separator: ", ") + (sorted.count > 12 ? ", …" : "")
  return "\(plural): \(shown)"
}
