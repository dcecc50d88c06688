import Lake
import Project

extension Model {
  /// Itself where it keeps an index, and the tables it makes.
  var ids: [TableID] {
    (ownsIndex ? [TableID(pipeline, name)] : []) + tables.map { TableID(pipeline, $0) }
  }

  /// Whether an index is what it commits, which its tables follow.
  var ownsIndex: Bool { self.operator?.wordIndex != nil }
}
