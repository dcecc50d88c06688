import Core
import Pipelines

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One invocation of `sluice`, from words to exit code.
enum Command {
  /// - Parameter words: The command line without the program's own name.
  /// - Returns: 0 done, 1 failed, 2 misused, 130 or 143 interrupted.
  static func main(_ words: [String]) -> Int32 {
    let output = Output()
    let isJSON = words.prefix { $0 != "--" }.contains("--json")
    var console = Console(.init())
    var interruption: Interruption?
    do {
      let environment = try Environment(Environment.variable)
      console = makeConsole(environment, Options())
      let invocation = try parseArguments(words)
      guard case .verb(let verb, let options, let operands) = invocation else {
        let style = Style(isColored: hasColors(STDOUT_FILENO, environment, Options()))
        try output.write(text(of: invocation, style))
        try output.flush()
        return 0
      }
      console = makeConsole(environment, options)
      let session = Session(
        options: options, operands: operands, output: output, console: console,
        style: Style(isColored: hasColors(STDOUT_FILENO, environment, options)),
        columns: Terminal.isTerminal(STDOUT_FILENO)
          ? Terminal.size(of: STDOUT_FILENO)?.columns : nil,
        paths: ShortPaths(workingDirectory: Environment.workingDirectory()))
      guard verb.needsProject else { return try session.perform(verb) }
      let watching = Interruption()
      watching.watch(console)
      interruption = watching
      let project = try Opening.project(
        options, environment, variables: Environment.allVariables(),
        workingDirectory: Environment.workingDirectory())
      let workspace = try Workspace(
        project: project,
        context: .init(
          clock: environment.clock, log: console.log, progress: console,
          cancellation: watching.cancellation))
      let code = try session.perform(verb, on: workspace)
      console.close()
      return code
    } catch {
      interruption?.waitUntilSaid()
      return end(error, interruption?.exitCode, console, output, isJSON: isJSON)
    }
  }

  /// Reports what ended the invocation early.
  private static func end(
    _ error: any Error, _ interrupted: Int32?, _ console: Console, _ output: Output, isJSON: Bool
  ) -> Int32 {
    console.close()
    // Rows that came before the failure are results all the same.
    let readerIsGone = (try? output.flush()) == nil
    if error is BrokenPipe { return 0 }
    if error is InterruptedRun { return interrupted ?? 130 }
    if interrupted != nil || error is Cancelled {
      console.note("stopped")
      return interrupted ?? 130
    }
    console.fail(FailureText.lines(error, style: console.settings.style))
    if isJSON, !readerIsGone {
      try? output.write(line: FailureText.json(error))
      try? output.flush()
    }
    return (error as? any AnyFailure)?.exitCode ?? 1
  }

  private static func text(of invocation: Invocation, _ style: Style) -> String {
    switch invocation {
    case .version: Version.text
    case .help(let verb): Help.text(on: verb, style: style)
    case .verb: preconditionFailure("verbs are performed")
    }
  }

  private static func makeConsole(_ environment: Environment, _ options: Options) -> Console {
    let isTerminal = Terminal.isTerminal(STDERR_FILENO)
    var settings = Console.Settings()
    settings.isLive = isTerminal && !environment.isDumb && environment.logFormat == .text
    settings.isQuiet = options.quiet
    settings.style = Style(isColored: hasColors(STDERR_FILENO, environment, options))
    settings.hasBlocks = environment.isUTF8
    // On a terminal the bars and the result tell what the lines would.
    settings.logLevel = environment.logLevel ?? (settings.isLive ? .warning : .info)
    settings.logFormat = environment.logFormat
    settings.now = environment.clock.now
    return Console(settings)
  }

  private static func hasColors(
    _ descriptor: Int32, _ environment: Environment, _ options: Options
  ) -> Bool {
    Terminal.isTerminal(descriptor) && !environment.forbidsColor && !options.noColor
  }
}
