import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Session {
  /// `sluice init [DIR]`: writes a small project that works at once.
  func initialize() throws -> Int32 {
    let directory = operands.first ?? "."
    let paths = try Initializer.write(into: directory)
    if !options.quiet { try output.write(paths.map { "wrote \($0)\n" }.joined()) }
    try output.flush()
    console.note("now:")
    for step in Initializer.nextSteps(in: directory) { console.note("  \(step)") }
    return 0
  }
}

/// The files of a new project.
enum Initializer {
  /// Writes every file of the template, or none where one is there already.
  ///
  /// - Returns: The paths written, in order.
  /// - Throws: `CommandError` `.exists` (exit code 2) or `.unwritable`.
  static func write(into directory: String) throws -> [String] {
    let files = Template.files.map { (path: "\(directory)/\($0.path)", text: $0.text) }
    for file in files where access(file.path, F_OK) == 0 {
      throw CommandError(
        .exists, "it is there already", at: Place(file: tidy(file.path)),
        advice: "sluice init overwrites nothing; give it an empty folder, e.g. sluice init shop",
        exitCode: 2)
    }
    for file in files {
      try makeFolder(String(file.path[..<file.path.lastIndex(of: "/")!]))
      try write(file.text, to: file.path)
    }
    return files.map { tidy($0.path) }
  }

  /// What to do with the new project.
  static func nextSteps(in directory: String) -> [String] {
    let enter = directory == "." ? [] : ["cd \(shellWord(directory))"]
    return enter + [
      "sluice plan", "sluice run", "sluice query 'SELECT * FROM sales.best_sellers'",
    ]
  }

  private static func makeFolder(_ path: String) throws {
    if path.isEmpty || path == "." || mkdir(path, 0o777) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw unwritable(path)
    }
    try makeFolder(String(path[..<slash]))
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw unwritable(path) }
  }

  private static func write(_ text: String, to path: String) throws {
    // Exclusive: a file that appears between the look and the write is not overwritten either.
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw unwritable(path) }
    var copy = text
    let status = copy.withUTF8 { writeAll(descriptor, UnsafeRawBufferPointer($0)) }
    let closed = close(descriptor)
    guard status == 0, closed == 0 else { throw unwritable(path, status == 0 ? errno : status) }
  }

  private static func unwritable(_ path: String, _ status: Int32 = errno) -> CommandError {
    CommandError(
      .unwritable, "cannot be written: \(String(cString: strerror(status)))",
      at: Place(file: tidy(path)))
  }

  private static func tidy(_ path: String) -> String {
    path.hasPrefix("./") ? String(path.dropFirst(2)) : path
  }
}
