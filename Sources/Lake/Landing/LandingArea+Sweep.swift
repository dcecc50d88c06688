import Core
import Stores

extension LandingArea {
  /// The copies that no line of the log names, and none will: of runs that were killed before they
  /// could log them, and that no other run found on the same day.
  ///
  /// Reads all of the log where there are copies that are not the newest of their files.
  ///
  /// - Parameters:
  ///   - today: By the clock that days are told by. What came since yesterday stays.
  ///   - isOld: Whether no run that lives can be about to log a copy.
  public func unlogged(
    by log: SourceLog, today: LandingDay, isOld: (Object) -> Bool
  ) throws -> [Object] {
    // Listed first: what is logged after that is younger.
    var found: [String: Object] = [:]
    try store.list(prefix: prefix) { page in
      for object in page where isOld(object) {
        guard let day = day(of: object.key), day.number < today.number - 1 else { continue }
        found[object.key] = object
      }
    }
    guard !found.isEmpty else { return [] }
    let state = try log.read()
    for logged in state.files { drop(logged.file, from: &found) }
    guard !found.isEmpty, state.number > 0 else { return Array(found.values) }
    for number in 1...state.number {
      for change in try log.batch(number).changes where change.kind != .removed {
        drop(change.file, from: &found)
      }
      if found.isEmpty { break }
    }
    return found.values.sorted { $0.key < $1.key }
  }

  private func drop(_ file: ListedFile, from found: inout [String: Object]) {
    if let day = file.landed { found[key(of: file, on: day)] = nil }
  }

  /// The day under which a copy is filed; nil for what is no copy.
  private func day(of key: String) -> LandingDay? {
    let name = key.dropFirst(prefix.count).prefix { $0 != "/" }
    return name.hasPrefix("date=") ? LandingDay(String(name.dropFirst(5))) : nil
  }
}
