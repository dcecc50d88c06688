import Core

/// What feeds what: every model of a project with its inputs, in an order to build them in.
public struct Graph: Sendable {
  /// What a name after FROM stands for.
  public enum Input: Sendable, Hashable {
    /// A source of the model's own pipeline.
    case source(pipeline: String, source: String)
    /// A table; `table` differs from `model` where an operator owns several.
    case table(pipeline: String, model: String, table: String)
  }

  public struct Node: Sendable {
    public var model: Model
    /// By name as the model's SQL or operator writes it.
    public var inputs: [String: Input]

    public init(model: Model, inputs: [String: Input]) {
      self.model = model
      self.inputs = inputs
    }

    /// The qualified names of the models it reads, each once, sorted.
    public var upstream: [String] {
      Set(
        inputs.values.compactMap { input in
          if case .table(let pipeline, let model, _) = input { "\(pipeline).\(model)" } else { nil }
        }
      ).sorted()
    }
  }

  /// Inputs before those that read them; by qualified name where that leaves a choice.
  public var nodes: [Node]

  public init(nodes: [Node]) {
    self.nodes = nodes
  }

  /// - Parameter qualifiedName: `pipeline.model`.
  public subscript(qualifiedName: String) -> Node? {
    nodes.first { $0.model.qualifiedName == qualifiedName }
  }
}
