extension Session {
  /// `sluice completions SHELL`: prints the script that shells load.
  func printCompletions() throws -> Int32 {
    guard let shell = Shell(rawValue: operands[0]) else {
      throw CommandError.unknown(
        "shell", operands[0], among: Shell.allCases.map(\.rawValue),
        otherwise: "completions exist for bash, zsh and fish")
    }
    try output.write(shell.completions)
    try output.flush()
    return 0
  }
}
