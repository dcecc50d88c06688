import Core
import Lake
import Project

extension Survey {
  /// Why a unit that would run is left alone: it would do again what a rollback has undone
  /// (rule 15). A full refresh lets everything in again.
  func held(_ unit: Unit, _ reason: Reason, _ selection: Selection) -> String? {
    guard !selection.fullRefresh, let held = tables[unit.id]?.consumption?.held, !held.isEmpty
    else { return nil }
    let advice = "'sluice state forget \(unit.label) --held' lets it in again"
    if held.isWhole { return "rolled back; \(advice)" }
    if let interval = unit.interval {
      let mine = consumed(by: unit)
      let identity = ConsumedInterval(
        definition: mine.definition, run: "", objects: Array(mine.objects), inputs: mine.inputs,
        rowCount: 0
      ).identity
      return held.intervals[interval] == identity ? "rolled back; \(advice)" : nil
    }
    // Built as a whole, it would hold what was undone.
    let count = held.contributions.count
    guard unit.inputs.delta?.isRebuild == true, count > 0 else { return nil }
    return "\(count) file\(count == 1 ? " is" : "s are") held back since it was rolled back, and "
      + "it would have to be built again (\(reason)); \(advice)"
  }
}

extension Consumption.Held {
  /// What it is, for people; nil where nothing is held back.
  var text: String? {
    if isWhole { return "what came since it was rolled back" }
    let parts = [(contributions.count, "file"), (intervals.count, "interval")].filter { $0.0 > 0 }
      .map { "\($0.0) \($0.1)\($0.0 == 1 ? "" : "s")" }
    return parts.isEmpty ? nil : parts.joined(separator: " and ")
  }
}
