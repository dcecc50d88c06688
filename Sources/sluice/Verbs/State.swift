import Core
import Pipelines

/// What `state` can be asked to do besides showing.
enum StateAction: String, CaseIterable, Sendable {
  case show, forget, rollback, repair, accept, drop, relocate
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
    case .relocate: try tell(try backend.relocate(pipelines: names))
    case .forget:
      try tell(
        try tables(names, action: .forget).map {
          try backend.forget(
            $0, files: options.files, from: options.from, to: options.to, held: options.held)
        })
    case .rollback:
      let asOf = try wanted(options.asOf)
      try tell(try tables(names, action: .rollback).map { try backend.rollback($0, to: asOf) })
    case .accept: try tell(try tables(names, action: .accept).map { try backend.accept($0) })
    case .drop: try tell(try tables(names, action: .drop).map { try backend.drop($0) })
    }
    return 0
  }

  private func checkFlags(of action: StateAction) throws {
    let flags: [(StateAction, String, Bool)] = [
      (.forget, "file", !options.files.isEmpty), (.forget, "from", options.from != nil),
      (.forget, "to", options.to != nil), (.forget, "held", options.held),
      (.rollback, "as-of", options.asOf != nil),
    ]
    for (owner, flag, isGiven) in flags where isGiven && owner != action {
      throw CommandError.usage(
        "--\(flag) means nothing to 'state \(action.rawValue)'",
        advice: owner == .forget
          ? "it says what 'state forget' forgets" : "it says where 'state rollback' goes")
    }
  }

  private func wanted(_ asOf: AsOf?) throws -> AsOf {
    guard let asOf else {
      throw CommandError.usage(
        "state rollback needs to know how far",
        advice: "e.g. --as-of 2024-01-02, or --as-of with the number of a snapshot or a tag")
    }
    return asOf
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
