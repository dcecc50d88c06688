import Core
import Project
import Stores

/// What of a project the addresses of event messages are about. Found by text alone, without a look
/// at any store.
struct EventTargets: Sendable {
  /// The sources that each pipeline reads, through views too.
  private let reads: [String: Set<Survey.SourceKey>]
  /// Keys of objects in the stores of `files` sources, in byte order.
  private(set) var objects: [Survey.SourceKey: [String]] = [:]
  /// Of interval sources, in order.
  private(set) var tiles: [Survey.SourceKey: [Interval]] = [:]

  /// - Throws: `StoreError` `.badAddress`, exit code 2: what cannot be looked at must not pass for
  ///   done.
  init(
    _ addresses: [String], project: Project, reads: [String: Set<Survey.SourceKey>]
  ) throws {
    self.reads = reads
    try find(Set(try addresses.map { try StoreURI($0) }), in: project)
  }

  /// The same and one more object, where an address is that of one: it turned out while working
  /// that something had happened to it, too.
  func adding(_ address: String, project: Project) -> EventTargets {
    guard let uri = try? StoreURI(address) else { return self }
    var all = self
    try? all.find([uri], in: project)
    return all
  }

  private mutating func find(_ addresses: Set<StoreURI>, in project: Project) throws {
    for key in Set(reads.values.joined()) {
      guard let source = project[pipeline: key.pipeline]?[source: key.source] else { continue }
      switch source.origin {
      case .files(let settings):
        let glob = try Glob(settings.glob)
        let found = Set(addresses.compactMap { glob.key(of: $0) }).union(objects[key] ?? [])
        if !found.isEmpty {
          objects[key] = found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }
      case .intervals(let settings):
        // As the addresses are written: one place has one name.
        let plain = (try? StoreURI(settings.uri.text)).flatMap {
          try? URITemplate($0.description)
        }
        let template = plain ?? settings.uri
        let found = Set(addresses.compactMap { template.interval(at: $0.description) })
          .union(tiles[key] ?? [])
        if !found.isEmpty { tiles[key] = found.sorted() }
      }
    }
  }

  func isAbout(_ key: Survey.SourceKey) -> Bool { objects[key] != nil || tiles[key] != nil }

  /// Whether a pipeline reads anything that was named.
  func isAbout(pipeline: String) -> Bool { reads[pipeline]?.contains { isAbout($0) } ?? false }

  /// The intervals that a pipeline is asked for: those that hold the files named. Where it has no
  /// interval files at all, new whole files mean its default interval.
  func intervals(of pipeline: Pipeline, _ project: Project) -> [Interval] {
    guard let settings = pipeline.interval else { return [] }
    let keys = reads[pipeline.name] ?? []
    let hasIntervalFiles = keys.contains { key in
      if case .intervals? = project[pipeline: key.pipeline]?[source: key.source]?.origin {
        true
      } else {
        false
      }
    }
    guard hasIntervalFiles else {
      return isAbout(pipeline: pipeline.name) ? [settings.defaultInterval] : []
    }
    return Set(
      keys.flatMap { tiles[$0] ?? [] }.flatMap {
        settings.every.intervals(from: $0.start, to: $0.end)
      }
    ).sorted()
  }
}
