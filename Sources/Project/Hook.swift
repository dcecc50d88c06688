import Core

/// What is told when a pipeline fails or has published: a program or a web address.
public struct Hook: Sendable, Hashable {
  public enum Action: Sendable, Hashable {
    /// A program and its arguments, no shell between; it gets the event on its standard input.
    case command([String])
    /// Gets the event by POST.
    case webhook(String)
  }

  public var action: Action
  public var timeoutMilliseconds: Int64
  /// As messages name it: `pipeline.yaml`, line and column.
  public var place: Place

  public init(_ action: Action, timeoutMilliseconds: Int64, place: Place = .nowhere) {
    self.action = action
    self.timeoutMilliseconds = timeoutMilliseconds
    self.place = place
  }
}

/// The hooks of a pipeline, in the order they are called.
public struct Hooks: Sendable, Hashable {
  public var onFailure: [Hook]
  public var onPublish: [Hook]

  public init(onFailure: [Hook] = [], onPublish: [Hook] = []) {
    self.onFailure = onFailure
    self.onPublish = onPublish
  }
}
