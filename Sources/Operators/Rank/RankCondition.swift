import Core
import Kernels

/// One comparison of a column with a constant. A null satisfies none.
public struct RankCondition: Sendable, Hashable {
  public enum Operation: String, Sendable, Hashable, CaseIterable {
    case equal = "="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
  }

  public enum Constant: Sendable, Hashable {
    case integer(Int64)
    /// Compared by bytes.
    case string(String)
  }

  public var column: String
  public var operation: Operation
  public var constant: Constant

  public init(_ column: String, _ operation: Operation, _ constant: Constant) {
    self.column = column
    self.operation = operation
    self.constant = constant
  }

  func check(
    _ field: Field, _ refuse: (String, String?) -> OperatorError
  ) throws(OperatorError) {
    switch (constant, field.type) {
    case (.integer, .int), (.integer, .bigint), (.string, .string): return
    default:
      throw refuse(
        "'where' compares '\(column)', which is of type \(field.type), with "
          + (constant.isString ? "text" : "a number"),
        "compare int and bigint with numbers, string with 'text'")
    }
  }

  /// In the words of the kernels.
  func condition(on field: Int) -> FieldCondition {
    let constant: FieldCondition.Constant =
      switch self.constant {
      case .integer(let number): .integer(number)
      case .string(let text): .text(Array(text.utf8))
      }
    return FieldCondition(
      field: field, constant, allowsLess: holds(-1), allowsEqual: holds(0), allowsGreater: holds(1))
  }

  /// - Parameter order: How the row's value compares with the constant: negative, 0, positive.
  private func holds(_ order: Int) -> Bool {
    switch operation {
    case .equal: order == 0
    case .notEqual: order != 0
    case .less: order < 0
    case .lessOrEqual: order <= 0
    case .greater: order > 0
    case .greaterOrEqual: order >= 0
    }
  }

  /// Takes away the rows that do not satisfy it.
  ///
  /// - Parameter column: Of the type that `check` allows.
  func filter(_ rows: inout [Int], of batch: ColumnBatch, column: Int) {
    let values = batch.columns[column]
    func keep(_ order: (Int) -> Int) {
      rows.removeAll { row in values.nulls?[row] == true || !holds(order(row)) }
    }
    switch (values.values, constant) {
    case (.int32(let numbers), .integer(let bound)):
      keep { Int64(numbers[$0]) < bound ? -1 : Int64(numbers[$0]) > bound ? 1 : 0 }
    case (.int64(let numbers), .integer(let bound)):
      keep { numbers[$0] < bound ? -1 : numbers[$0] > bound ? 1 : 0 }
    case (.bytes(let slices), .string(let text)):
      let bound = Array(text.utf8)
      batch.bytes.withUnsafeBufferPointer { bytes in
        bound.withUnsafeBufferPointer { bound in
          keep { row in
            let slice = slices[row]
            return compareBytes(
              bytes.start + Int(slice.offset), Int(slice.count), bound.start, bound.count)
          }
        }
      }
    default: preconditionFailure("the types were checked")
    }
  }
}

extension RankCondition.Constant {
  var isString: Bool { if case .string = self { true } else { false } }
}

extension UnsafeBufferPointer<UInt8> {
  /// The base address; where the buffer is empty and has none, any address, of which nothing may be
  /// read.
  var start: UnsafePointer<UInt8> { baseAddress ?? UnsafePointer(bitPattern: 8)! }
}
