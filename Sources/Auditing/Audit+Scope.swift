import Core
import Project

extension Audit {
  /// Whether a check's answer depends on nothing outside the partitions that are written.
  ///
  /// Always so for checks of single rows and for `row_count`, which judges the staged rows. For
  /// `unique` when its columns include all partition columns: two rows that agree in them are in
  /// the same partition.
  public static func isPartitionLocal(_ check: Check, partitionColumns: [String]) -> Bool {
    guard case .unique(let columns) = check.kind else { return true }
    let names = columns.isEmpty ? [check.column].compactMap { $0 } : columns
    return !partitionColumns.isEmpty && partitionColumns.allSatisfy(names.contains)
  }

  func isTableScope(_ rule: Rule) -> Bool {
    if case .unique = rule.kind { true } else { false }
  }

  /// The current files that may hold a row equal to a staged one in `columns`.
  ///
  /// A file is left out when its partition is not among the staged ones and the partition columns
  /// are among `columns`, or when the bounds of one of `columns` lie apart from the staged bounds.
  func candidates(_ current: [DataFile], staged: [DataFile], columns: [Field]) -> [DataFile] {
    let written = staged.filter { $0.rowCount > 0 }
    guard !written.isEmpty else { return [] }
    let byPartition = partitions(of: written, columns)
    let ranges = columns.compactMap { field in
      Bounds(of: field, in: written).map { (field, $0) }
    }
    return current.filter { file in
      if file.rowCount == 0 { return false }
      if let byPartition, file.partition.count == partitionColumns.count,
        !byPartition.contains(file.partition)
      {
        return false
      }
      return !ranges.contains { field, range in
        Bounds(of: field, in: [file]).map { $0.isApart(from: range) } ?? false
      }
    }
  }

  /// The partitions written, where rows that agree in `columns` are sure to share theirs.
  private func partitions(of files: [DataFile], _ columns: [Field]) -> Set<[Value]>? {
    let names = Set(columns.map(\.name))
    guard !partitionColumns.isEmpty, partitionColumns.allSatisfy(names.contains),
      files.allSatisfy({ $0.partition.count == partitionColumns.count }),
      // 0.0 and -0.0 are equal in SQL and may be two partitions.
      partitionColumns.allSatisfy({ ![.float, .double].contains(schema[$0]?.type) })
    else { return nil }
    return Set(files.map(\.partition))
  }
}
