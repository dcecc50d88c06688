extension Shell {
  /// For zsh 5: goes into a folder of `fpath` as `_sluice`.
  var zshCompletions: String {
    var out = """
      #compdef sluice
      # Completions of sluice for zsh, printed by `sluice completions zsh`.

      _sluice_pipelines() {
        local folder=${opt_args[--project]:-$PWD}
        local -a names
        if [[ -z ${opt_args[--project]} ]]; then
          while [[ -n $folder && ! -f $folder/sluice.yaml ]]; do folder=${folder%/*}; done
        fi
        names=($folder/pipelines/*/pipeline.yaml(N:h:t))
        compadd -a names
      }

      _sluice() {
        local curcontext=$curcontext state
        local -a line verbs
        local -A opt_args
        _arguments -C \\
          '(-h --help)'{-h,--help}'[Show help]' \\
          '--version[Show the version]' \\
          '1: :->verb' '*:: :->operands' && return
        case $state in
          verb)
            verbs=(

      """
    for verb in Verb.allCases {
      out += "        \(singleQuoted("\(verb.name):\(verb.definition.summary)"))\n"
    }
    out +=
      "      )\n      _describe -t verbs verb verbs ;;\n    operands)\n      case $line[1] in\n"
    for verb in Verb.allCases {
      out += "        \(verb.name)) _arguments"
      for flag in Flag.flags(of: verb) { out += " \\\n            \(zshSpecification(of: flag))" }
      out += zshOperands(of: verb) + " ;;\n"
    }
    return out + "      esac ;;\n  esac\n}\n\n_sluice \"$@\"\n"
  }

  private func zshSpecification(of flag: Flag) -> String {
    let summary = flag.summary.reduce(into: "") { text, character in
      if "[]\\".contains(character) { text += "\\" }
      text.append(character)
    }
    if let short = flag.short {
      let both = "(-\(short) --\(flag.name))'{-\(short),--\(flag.name)}'[\(summary)]"
      return "'\(both)'"
    }
    let star = flag.isRepeatable ? "*" : ""
    guard let value = flag.value else { return singleQuoted("--\(flag.name)[\(summary)]") }
    return singleQuoted("\(star)--\(flag.name)=[\(summary)]:\(value):\(zshAction(flag.completion))")
  }

  private func zshAction(_ completion: Flag.Completion) -> String {
    switch completion {
    case .none: ""
    case .directory: "_files -/"
    case .words(let words): "(\(words.joined(separator: " ")))"
    }
  }

  private func zshOperands(of verb: Verb) -> String {
    switch OperandCompletion(verb) {
    case .none: ""
    case .pipelines: " \\\n            '*:pipeline:_sluice_pipelines'"
    case .directory: " \\\n            '1:folder:_files -/'"
    case .words(let words):
      " \\\n            \(singleQuoted("1: :(\(words.joined(separator: " ")))"))"
    }
  }
}
