import Core

/// One log entry as a line: for people, or as JSON.
///
/// - A terminal shows `warning: sentence name=value`.
/// - A file gets `2024-01-01T05:00:00Z warning sentence name=value`.
/// - `SLUICE_LOG_FORMAT=json` gives `{"time": …, "level": …, "message": …, …fields}`.
func logLine(_ entry: LogEntry, _ settings: Console.Settings) -> String {
  let message = Redaction.shared.redact(entry.message)
  if settings.logFormat == .json {
    let fixed: [JSON.Member] = [
      .init("time", .string(settings.now().description)),
      .init("level", .string(entry.level.rawValue)),
      .init("message", .string(message)),
    ]
    let fields = entry.fields.map { JSON.Member($0.0, $0.1) }
    return Redaction.shared.redact(JSON.object(fixed + fields).description)
  }
  let fields = entry.fields.map { name, value in " \(name)=\(fieldText(value))" }.joined()
  let style = settings.style
  let text = printable(message) + style.dim(Redaction.shared.redact(fields))
  let level = entry.level.rawValue
  guard settings.isLive else { return "\(settings.now()) \(level) \(text)" }
  switch entry.level {
  case .error: return "\(style.red("\(level):")) \(text)"
  case .warning: return "\(style.yellow("\(level):")) \(text)"
  case .info, .debug: return text
  }
}

/// A value as logfmt has it: bare where it is one plain word, else quoted as JSON.
private func fieldText(_ value: JSON) -> String {
  guard case .string(let text) = value else { return value.description }
  let isBare =
    !text.isEmpty
    && text.unicodeScalars.allSatisfy { scalar in
      scalar.value > 0x20 && scalar.value != 0x7F && scalar != "\"" && scalar != "="
    }
  return isBare && printable(text) == text ? text : value.description
}
