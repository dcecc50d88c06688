extension Shell {
  /// For bash 3.2 and newer; needs no bash-completion package.
  var bashCompletions: String {
    let verbs = Verb.allCases.map(\.name).joined(separator: " ")
    var out = """
      # Completions of sluice for bash, printed by `sluice completions bash`.

      _sluice_pipelines() {
        local folder="${1:-$PWD}" file
        while [[ -n $folder && ! -f $folder/sluice.yaml && -z $1 ]]; do folder="${folder%/*}"; done
        for file in "$folder"/pipelines/*/pipeline.yaml; do
          [[ -f $file ]] && file="${file%/pipeline.yaml}" && printf '%s\\n' "${file##*/}"
        done
      }

      _sluice() {
        local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
        local verb="" project="" word index flags=""
        COMPREPLY=()
        # bash splits --flag=value at the equals sign.
        if [[ $current == = ]]; then current=""
        elif [[ $previous == = ]]; then previous="${COMP_WORDS[COMP_CWORD-2]}"; fi
        for ((index = 1; index < COMP_CWORD; index++)); do
          word="${COMP_WORDS[index]}"
          case "$word" in
            --project)
              ((index++))
              [[ ${COMP_WORDS[index]} == = ]] && ((index++))
              project="${COMP_WORDS[index]}" ;;
            \(alternatives { $0.value != nil && $0.name != "project" }))
              ((index++))
              [[ ${COMP_WORDS[index]} == = ]] && ((index++)) ;;
            -*) ;;
            *) verb="${verb:-$word}" ;;
          esac
        done

        case "$previous" in

      """
    for flag in Flag.all where flag.value != nil {
      out += "    --\(flag.name)) \(bashReply(flag.completion)); return ;;\n"
    }
    out += "  esac\n\n  case \"$verb\" in\n"
    out += "    '') flags=\"--help --version\" ;;\n"
    for verb in Verb.allCases {
      let names = Flag.flags(of: verb).map { "--\($0.name)" }.joined(separator: " ")
      out += "    \(verb.name)) flags=\"\(names)\" ;;\n"
    }
    out += """
        esac
        if [[ $current == -* ]]; then
          COMPREPLY=($(compgen -W "$flags" -- "$current"))
          return
        fi

        case "$verb" in
          '') COMPREPLY=($(compgen -W "\(verbs)" -- "$current")) ;;

      """
    for verb in Verb.allCases {
      switch OperandCompletion(verb) {
      case .none: break
      case .pipelines:
        out += "    \(verb.name)) COMPREPLY=($(compgen -W"
        out += " \"$(_sluice_pipelines \"$project\")\" -- \"$current\")) ;;\n"
      case .directory: out += "    \(verb.name)) \(bashReply(.directory)) ;;\n"
      case .words(let words): out += "    \(verb.name)) \(bashReply(.words(words))) ;;\n"
      }
    }
    return out + "  esac\n}\n\ncomplete -F _sluice sluice\n"
  }

  private func alternatives(_ isWanted: (Flag) -> Bool) -> String {
    Flag.all.filter(isWanted).map { "--\($0.name)" }.joined(separator: "|")
  }

  private func bashReply(_ completion: Flag.Completion) -> String {
    switch completion {
    case .none: "COMPREPLY=()"
    case .directory: "COMPREPLY=($(compgen -d -- \"$current\"))"
    case .words(let words):
      "COMPREPLY=($(compgen -W \"\(words.joined(separator: " "))\" -- \"$current\"))"
    }
  }
}
