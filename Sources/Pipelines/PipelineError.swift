import Core

public enum PipelineDomain: FailureDomain {
  public static let name = "pipeline"
}

/// What planning and running report: the pipeline, model or interval, and what to do.
public typealias PipelineError = Failure<PipelineDomain>

extension Failure.Code where Domain == PipelineDomain {
  /// A pipeline, table or run that does not exist.
  public static var unknownName: Self { .init(rawValue: "unknownName") }
  /// The command line asks for something the project cannot mean.
  public static var usage: Self { .init(rawValue: "usage") }
  /// Event messages that cannot be understood.
  public static var badEvent: Self { .init(rawValue: "badEvent") }
  /// A changed model whose `on_definition` is `fail`.
  public static var definitionChanged: Self { .init(rawValue: "definitionChanged") }
  /// Changes of an input that are not on record any more.
  public static var historyExpired: Self { .init(rawValue: "historyExpired") }
  /// A file that `wait` gave up on.
  public static var timedOut: Self { .init(rawValue: "timedOut") }
  /// Something the unit reads failed in the same run.
  public static var upstreamFailed: Self { .init(rawValue: "upstreamFailed") }
  /// A program or address that was to be told of something.
  public static var hookFailed: Self { .init(rawValue: "hookFailed") }
  /// A part of the product that this version does not have.
  public static var unavailable: Self { .init(rawValue: "unavailable") }
}

extension AnyFailure {
  /// Whether the same work may succeed when it is tried again.
  var isTransient: Bool {
    ["store.unreachable", "store.changed", "store.damaged", "format.changed", "lake.conflict"]
      .contains(qualifiedCode)
  }
}

/// Any error as one that can be shown, with the model and interval it belongs to.
func failure(_ error: any Error, model: String? = nil, interval: Interval? = nil) -> any AnyFailure
{
  guard let known = error as? any AnyFailure else {
    return PipelineError(
      .init(rawValue: "unexpected"), "\(error)",
      at: Place(model: model, batch: interval.map(\.description)))
  }
  return known
}
