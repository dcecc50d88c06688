extension Shell {
  /// For fish 3.
  var fishCompletions: String {
    var out = """
      # Completions of sluice for fish, printed by `sluice completions fish`.

      function __sluice_pipelines
        set -l folder $PWD
        while test -n "$folder"; and not test -f $folder/sluice.yaml
          set folder (string replace -r '/[^/]*$' '' -- $folder)
        end
        for file in $folder/pipelines/*/pipeline.yaml
          basename (dirname $file)
        end
      end

      function __sluice_needs_verb
        not __fish_seen_subcommand_from \(Verb.allCases.map(\.name).joined(separator: " "))
      end

      complete -c sluice -f
      complete -c sluice -n __sluice_needs_verb -l version -d 'Show the version'

      """
    for verb in Verb.allCases {
      out += "complete -c sluice -n __sluice_needs_verb -a \(verb.name)"
      out += " -d \(fishQuoted(verb.definition.summary))\n"
    }
    for flag in Flag.all {
      let verbs = flag.verbs.map(\.name).joined(separator: " ")
      out += "complete -c sluice -n '__fish_seen_subcommand_from \(verbs)' -l \(flag.name)"
      if let short = flag.short { out += " -s \(short)" }
      if flag.value != nil { out += " -x\(fishValues(flag.completion))" }
      out += " -d \(fishQuoted(flag.summary))\n"
    }
    for verb in Verb.allCases {
      let condition = "complete -c sluice -n '__fish_seen_subcommand_from \(verb.name)'"
      switch OperandCompletion(verb) {
      case .none: break
      case .pipelines: out += "\(condition) -a '(__sluice_pipelines)'\n"
      case .directory: out += "\(condition) -a '(__fish_complete_directories)'\n"
      case .words(let words): out += "\(condition) -a '\(words.joined(separator: " "))'\n"
      }
    }
    return out
  }

  private func fishValues(_ completion: Flag.Completion) -> String {
    switch completion {
    case .none: ""
    case .directory: " -a '(__fish_complete_directories)'"
    case .words(let words): " -a '\(words.joined(separator: " "))'"
    }
  }

  /// Fish escapes inside single quotes with a backslash.
  private func fishQuoted(_ text: String) -> String {
    "'"
      + text.reduce(into: "") { out, character in
        if "'\\".contains(character) { out += "\\" }
        out.append(character)
      } + "'"
  }
}
