import Core
import Foundation
import Testing

/// A finished process: how it ended and what it wrote.
struct Outcome: CustomStringConvertible {
  enum End: Equatable {
    case exited(Int32)
    case killed(signal: Int32)
  }

  var end: End
  var output: [UInt8]
  var errors: [UInt8]
  /// For messages.
  var command: String

  /// Nil when a signal ended it.
  var exitCode: Int32? { if case .exited(let code) = end { code } else { nil } }
  var standardOutput: String { String(decoding: output, as: UTF8.self) }
  var standardError: String { String(decoding: errors, as: UTF8.self) }

  /// The objects of `--json` output, one a line.
  func json() throws -> [JSON] {
    try standardOutput.split(separator: "\n").map { try JSON(parsing: String($0)) }
  }

  var description: String {
    "\(command)\n\(end)\n--- output\n\(standardOutput.suffix(4000))"
      + "\n--- errors\n\(standardError.suffix(4000))"
  }
}

/// A process that was started and not yet waited for.
///
/// Started with `posix_spawn` and an empty signal mask: Foundation's `Process` hands down the mask of
/// its thread, in which SIGINT and SIGTERM may be blocked, and these tests send both.
final class RunningCommand {
  private let identifier: pid_t
  private var status: Int32?
  private let scratch: Scratch
  private let command: String

  struct NotStarted: Error { var message: String }

  /// Starts an executable. Its output goes to files, so that no pipe can fill and stop it.
  ///
  /// - Parameter environment: All of it; nothing is inherited.
  init(
    _ executable: String, _ arguments: [String], environment: [String: String], in folder: URL
  ) throws {
    scratch = try Scratch()
    command = ([executable] + arguments).joined(separator: " ")

    #if canImport(Glibc)
      var actions = posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #else
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (descriptor, name) in [(Int32(1), "out"), (2, "err")] {
      let path = scratch.url.appending(path: name).path
      posix_spawn_file_actions_addopen(
        &actions, descriptor, path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    }

    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))

    // The shell only changes the folder: it becomes the command, under the same identifier.
    let shell = "/bin/sh"
    let words = [shell, "-c", "cd \"$0\" && exec \"$@\"", folder.path, executable] + arguments
    var texts: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") }
    defer { for text in texts + variables { free(text) } }
    texts.append(nil)
    variables.append(nil)
    var identifier = pid_t()
    let failure = posix_spawn(&identifier, shell, &actions, &attributes, texts, variables)
    guard failure == 0 else {
      throw NotStarted(message: "\(command): \(String(cString: strerror(failure)))")
    }
    self.identifier = identifier
  }

  deinit {
    guard status == nil else { return }
    kill(identifier, SIGKILL)
    waitpid(identifier, nil, 0)
  }

  var isRunning: Bool {
    collect(WNOHANG)
    return status == nil
  }

  /// What it wrote to standard output and standard error so far.
  var outputSoFar: String { String(decoding: written("out"), as: UTF8.self) }
  var errorsSoFar: String { String(decoding: written("err"), as: UTF8.self) }

  private func written(_ name: String) -> [UInt8] {
    (try? Data(contentsOf: scratch.url.appending(path: name))).map { [UInt8]($0) } ?? []
  }

  func send(signal: Int32) {
    if isRunning { kill(identifier, signal) }
  }

  private func collect(_ options: Int32) {
    var raw: Int32 = 0
    if status == nil && waitpid(identifier, &raw, options) == identifier { status = raw }
  }

  /// Waits for the end. A process that hangs is killed after ten minutes, which is an issue.
  func wait() -> Outcome {
    var polls = 0
    while isRunning {
      usleep(5000)
      polls += 1
      if polls == 120_000 {
        Issue.record("killed after ten minutes: \(command)")
        kill(identifier, SIGKILL)
        collect(0)
      }
    }
    let raw = status ?? 0
    // The low seven bits are the signal, the next eight the exit code.
    let end: Outcome.End =
      raw & 0x7F == 0 ? .exited((raw >> 8) & 0xFF) : .killed(signal: raw & 0x7F)
    return Outcome(end: end, output: written("out"), errors: written("err"), command: command)
  }
}
