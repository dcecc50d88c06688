import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A program that is told of an event.
struct HookCommand {
  /// The program, looked up in PATH unless it holds a slash, and its arguments.
  let words: [String]
  /// Where it runs.
  let folder: String

  private static let pollMicroseconds: UInt32 = 5000
  /// How much of what it said a message repeats.
  private static let saidByteCount = 500

  /// Runs it to its end.
  ///
  /// - Throws: `PipelineError` `.hookFailed` where it cannot be started, ends with another status
  ///   than 0, or takes too long; it is killed then, with all that it has started.
  func run(input: [UInt8], timeoutMilliseconds: Int64) throws(PipelineError) {
    // Files rather than pipes: neither side can then block the other.
    guard let source = tmpfile(), let sink = tmpfile() else {
      throw failed("no temporary file: \(String(cString: strerror(errno)))")
    }
    defer {
      fclose(source)
      fclose(sink)
    }
    guard input.withUnsafeBytes({ fwrite($0.baseAddress, 1, $0.count, source) }) == input.count,
      fflush(source) == 0
    else { throw failed("no room for its input: \(String(cString: strerror(errno)))") }
    rewind(source)

    let process = try start(fileno(source), fileno(sink))
    let deadline = monotonicSeconds() + Double(timeoutMilliseconds) / 1000
    var status: Int32 = 0
    while waitpid(process, &status, WNOHANG) == 0 {
      guard monotonicSeconds() < deadline else {
        kill(-process, SIGKILL)
        waitpid(process, &status, 0)
        throw failed("took longer than its timeout of \(timeoutMilliseconds) ms and was killed")
      }
      usleep(HookCommand.pollMicroseconds)
    }
    guard status != 0 else { return }
    let signal = status & 0x7f
    let ending =
      signal == 0 ? "ended with status \((status >> 8) & 0xff)" : "was ended by signal \(signal)"
    let words = said(sink)
    throw failed(ending + (words.isEmpty ? "" : ": \(words)"))
  }

  private func start(_ input: Int32, _ output: Int32) throws(PipelineError) -> pid_t {
    #if canImport(Glibc)
      var actions = posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #else
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #endif
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, output, 2)
    // A group of its own, so that it goes with all its children.
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    posix_spawnattr_setpgroup(&attributes, 0)

    // To change the folder of a program to come is no part of POSIX; a shell does it.
    let line = ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, folder] + words
    var arguments: [UnsafeMutablePointer<CChar>?] = line.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process: pid_t = 0
    let error = posix_spawn(&process, line[0], &actions, &attributes, &arguments, environ)
    guard error == 0 else {
      throw failed("cannot be started: \(String(cString: strerror(error)))")
    }
    return process
  }

  /// The end of what it wrote, on one line.
  private func said(_ file: UnsafeMutablePointer<FILE>) -> String {
    fseek(file, 0, SEEK_END)
    let start = max(0, ftell(file) - HookCommand.saidByteCount)
    fseek(file, start, SEEK_SET)
    var bytes = [UInt8](repeating: 0, count: HookCommand.saidByteCount)
    let count = bytes.withUnsafeMutableBytes { fread($0.baseAddress, 1, $0.count, file) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
      .split(whereSeparator: \.isNewline).joined(separator: "; ")
  }

  private func failed(_ what: String) -> PipelineError {
    PipelineError(.hookFailed, "\(words.first ?? "the program") \(what)")
  }
}
