import Core
import Pipelines

/// What `state` can be asked to do besides showing.
enum StateAction: String, CaseIterable, Sendable {
  case show, forget, repair, accept, drop
}

extension Session {
  /// `sluice state`: what every table has consumed, and the ways to mend that.
  func state(on backend: some Backend) throws -> Int32 {
    let action = operands.first.flatMap(StateAction.init)
    let names = action == nil ? operands : Array(operands.dropFirst())
    try checkFlags(of: action ?? .show)
    switch action ?? .show {
    case .show:
      let report = try backend.state(pipelines: names)
      try write(
        json: report.jsonLines, text: StateText(style: style, columns: columns).text(report))
    case .repair: try tell(try backend.repair(pipelines: names))
    case .forget:
      try tell(
        try tables(names, action: .forget).map {
          try backend.forget($0, files: options.files, from: options.from, to: options.to)
        })
    case .accept: try tell(try tables(names, action: .accept).map { try backend.accept($0) })
    case .drop: try tell(try tables(names, action: .drop).map { try backend.drop($0) })
    }
    return 0
  }

  private func checkFlags(of action: StateAction) throws {
    guard action != .forget else { return }
    for (flag, isGiven) in [
      ("file", !options.files.isEmpty), ("from", options.from != nil), ("to", options.to != nil),
    ] where isGiven {
      throw CommandError.usage(
        "--\(flag) means nothing to 'state \(action.rawValue)'",
        advice: "it says what 'state forget' forgets")
    }
  }

  /// What is mended is named, one by one.
  private func tables(_ names: [String], action: StateAction) throws -> [String] {
    guard !names.isEmpty else {
      throw CommandError.usage(
        "state \(action.rawValue) needs the name of a table",
        advice: "e.g. sluice state \(action.rawValue) shop.orders")
    }
    return names
  }

  private func tell(_ changes: [StateChange]) throws {
    try write(
      json: changes.map(\.json),
      text: changes.map { change in
        "\(style.bold(printable("\(change.pipeline).\(change.model)"))): "
          + printable(change.text) + "\n"
      }.joined())
  }
}
