/// The least number that still belongs to the greatest `top`.
///
/// - Parameters:
///   - values: Are put into another order.
///   - top: At least 1.
///   - isDistinct: Equal numbers count once.
/// - Returns: Nil where there are fewer than `top`.
/// - Complexity: O(*n*) on average; O(*n* log *n*) for distinct numbers.
public func boundOfTop(
  _ top: Int, of values: UnsafeMutableBufferPointer<Int64>, isDistinct: Bool = false
) -> Int64? {
  var values = values
  guard values.count >= top else { return nil }
  if isDistinct {
    values.sort(by: >)
    var seen = 0
    for index in values.indices where index == 0 || values[index] != values[index - 1] {
      seen += 1
      if seen == top { return values[index] }
    }
    return nil
  }
  // Hoare's selection: three parts, greater, equal and less than a pivot.
  var (low, high) = (0, values.count)
  while true {
    let pivot = median(values[low], values[(low + high) / 2], values[high - 1])
    var (greater, index, less) = (low, low, high)
    while index < less {
      let value = values[index]
      if value > pivot {
        values.swapAt(greater, index)
        greater += 1
        index += 1
      } else if value < pivot {
        less -= 1
        values.swapAt(index, less)
      } else {
        index += 1
      }
    }
    if top - 1 < greater {
      high = greater
    } else if top - 1 < less {
      return pivot
    } else {
      low = less
    }
  }
}

private func median(_ a: Int64, _ b: Int64, _ c: Int64) -> Int64 {
  max(min(a, b), min(max(a, b), c))
}
