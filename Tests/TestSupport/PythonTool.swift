import Core
import Foundation

/// A program of Tests/Support, run with the Python of the tests: `SLUICE_TEST_PYTHON`, or the one
/// that `scripts/setup test` makes.
public final class PythonTool: @unchecked Sendable {
  // Only the pipes' ends are used after the start, by whoever holds the value.
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()

  public static let repository: String = {
    var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    parts.removeLast(3)
    return parts.joined(separator: "/")
  }()

  /// nil where there is none; tests that need it are skipped with `whyNot`.
  public static let path: String? = {
    if let path = ProcessInfo.processInfo.environment["SLUICE_TEST_PYTHON"] { return path }
    let own = repository + "/.deps/venv/bin/python"
    return FileManager.default.isExecutableFile(atPath: own) ? own : nil
  }()

  /// Whether that Python has a module.
  public static func has(_ module: String) -> Bool {
    guard let path else { return false }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = [
      "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('\(module)') is None)",
    ]
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }

  public static let whyNot =
    "needs the packages of scripts/requirements-test.txt (scripts/setup test)"

  public struct Failed: Error, CustomStringConvertible {
    public let description: String
    public init(description: String) { self.description = description }
  }

  public init(_ script: String, _ arguments: [String] = []) throws {
    guard let path = PythonTool.path else { throw Failed(description: PythonTool.whyNot) }
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = ["\(PythonTool.repository)/Tests/Support/\(script)"] + arguments
    process.standardInput = input
    process.standardOutput = output
    try process.run()
  }

  /// The first line that a server prints; it runs until this value or the process ends.
  public func firstLine() throws -> String {
    var line: [UInt8] = []
    while true {
      let byte = output.fileHandleForReading.readData(ofLength: 1)
      guard let byte = byte.first else {
        throw Failed(description: "the server ended before it said a line")
      }
      if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
      line.append(byte)
    }
  }

  /// Sends a line to a server, and waits for the line that it answers.
  public func ask(_ line: String) throws -> String {
    try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
    return try firstLine()
  }

  /// Everything that a program prints for that input.
  public func run(_ text: String) throws -> [UInt8] {
    let writing = input.fileHandleForWriting
    let bytes = Data(text.utf8)
    let writer = startThread {
      try? writing.write(contentsOf: bytes)
      try? writing.close()
    }
    let printed = output.fileHandleForReading.readDataToEndOfFile()
    pthread_join(writer, nil)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failed(description: "it ended with status \(process.terminationStatus)")
    }
    return Array(printed)
  }
}
