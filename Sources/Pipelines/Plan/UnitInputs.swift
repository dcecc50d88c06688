import Core
import Lake
import Project

/// What one unit reads: the value that is compared with what its table remembers.
struct UnitInputs: Sendable {
  /// Files of interval sources, by source.
  var objects: [String: [LoggedFile]] = [:]
  /// Where all other inputs stand, by name.
  var positions: [String: InputPosition] = [:]
  /// All files of sources that are read whole, by source; packed until they are read.
  var files: [String: LogState] = [:]
  /// What is new in the input of an incremental model.
  var delta: Delta?
  /// Addresses that are waited for.
  var missing: [String] = []
  /// Inputs that are tables which are not there yet.
  var absent: [String] = []

  /// Consumes a delta: the input will stand where it ends.
  mutating func take(_ delta: Delta) {
    positions[delta.input] = delta.position
    self.delta = delta
  }

  var fileCount: Int {
    objects.values.reduce(0) { $0 + $1.count } + files.values.reduce(0) { $0 + $1.files.count }
      + (delta?.fileCount ?? 0)
  }

  /// All objects of one source.
  func all(of source: String) -> [LoggedFile] {
    objects[source] ?? files[source].map { Array($0.files) } ?? []
  }

  var byteCount: Int64 {
    objects.values.joined().reduce(0) { $0 + $1.byteCount }
      + files.values.reduce(0) { $0 + $1.byteCount }
      + (delta?.byteCount ?? 0)
  }
}

/// An input after views were looked through: what a unit really reads.
enum Leaf: Hashable, Sendable {
  case source(pipeline: String, source: String)
  case table(TableID)
}

extension Graph {
  /// The sources and tables that a model reads, those that its views read included (rule 13: a
  /// view's position is its bases'), by the name that its settings may use.
  func leaves(of node: Graph.Node) -> [(name: String, leaf: Leaf)] {
    var found: [(name: String, leaf: Leaf)] = []
    for (name, input) in node.inputs.sorted(by: { $0.key < $1.key }) {
      switch input {
      case .source(let pipeline, let source):
        found.append((name, .source(pipeline: pipeline, source: source)))
      case .table(let pipeline, let model, let table):
        if let view = self["\(pipeline).\(model)"], view.model.kind == .view {
          // What is said of the view is said of all it reads.
          found += leaves(of: view).map { (name, $0.leaf) }
        } else {
          found.append((name, .table(TableID(pipeline, table))))
        }
      }
    }
    return found
  }
}
