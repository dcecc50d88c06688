import Core
import Transport

/// Tables whose metadata others have written: registered from a file.
extension RestCatalog {
  /// Takes a table that the catalog does not have from its metadata file.
  ///
  /// - Throws: `LakeError` `.refused`; `.ambiguous` where it is not known whether it was done.
  func register(_ id: TableID, _ location: String) throws {
    try makeNamespace(of: id)
    let answer = try ask(toRegister: id, location, overwrites: false)
    if try isDone(answer, id, location) { return }
    throw rest.refused(answer, "the table \(id) at \(location)")
  }

  /// Makes another metadata file of the same table its newest. Whoever commits meanwhile at the old
  /// place may lose that.
  ///
  /// The protocol's commits cannot do this: they add and remove snapshots and never change one. One
  /// swap does it where the catalog knows the request's newer member `overwrite`; else, once the
  /// catalog has shown under another name that it takes the file, the table is dropped, with its
  /// files left alone, and registered again; or put back, where that fails.
  ///
  /// - Throws: `LakeError` `.refused`, `.conflict`, `.ambiguous`.
  func move(_ id: TableID, from table: Table, to location: String) throws {
    if try isDone(ask(toRegister: id, location, overwrites: true), id, location) { return }
    let trial = TableID(id.pipeline, id.model + "__relocated")
    try drop(trial)
    let tried = try ask(toRegister: trial, location, overwrites: false)
    guard try isDone(tried, trial, location) else {
      throw rest.refused(tried, "the table \(id) another place, \(location)")
    }
    try drop(trial)
    guard let now = try load(id), now.metadataLocation == table.metadataLocation else {
      throw conflict(id)
    }
    try drop(id)
    let answer = try ask(toRegister: id, location, overwrites: false)
    if try isDone(answer, id, location) { return }
    let back = try ask(toRegister: id, table.metadataLocation, overwrites: false)
    guard try isDone(back, id, table.metadataLocation) else {
      throw LakeError(
        .refused,
        "the catalog has dropped the table and does not take it again: "
          + (answer.message ?? "HTTP \(answer.status)"),
        at: Place(file: location, model: id.description),
        advice: "allow the catalog to keep tables there and do this again, "
          + "or register \(table.metadataLocation)")
    }
    throw rest.refused(answer, "the table \(id) another place, \(location)")
  }

  private func ask(
    toRegister id: TableID, _ location: String, overwrites: Bool
  ) throws -> RestClient.Answer {
    var members: [JSON.Member] = [
      .init("name", .string(id.model)), .init("metadata-location", .string(location)),
    ]
    // Servers from before it was specified may refuse what they do not know.
    if overwrites { members.append(.init("overwrite", true)) }
    do {
      return try rest.ask(
        .post, "namespaces/\(percentEncoded(id.pipeline))/register", body: .object(members),
        headers: RestLoan.headers)
    } catch let error as LakeError where error.code == .denied {
      return RestClient.Answer(status: 403, body: .null, message: error.message, type: nil)
    } catch let error as TransportError {
      // The request may have arrived.
      return RestClient.Answer(status: 503, body: .null, message: error.message, type: nil)
    }
  }

  /// - Throws: `LakeError` `.ambiguous` where it is not known.
  private func isDone(
    _ answer: RestClient.Answer, _ id: TableID, _ location: String
  ) throws -> Bool {
    if answer.isSuccess { return true }
    guard answer.isUnknown else { return false }
    if let now = try? load(id), now.metadataLocation == location { return true }
    throw LakeError(
      .ambiguous,
      "it is not known whether the table was registered: "
        + (answer.message ?? "HTTP \(answer.status)"),
      at: Place(file: location, model: id.description), advice: "do this again")
  }
}

/// What a metadata file is called in a REST catalog's table: `00003-<uuid>.metadata.json`. In those
/// that Sluice writes, the UUID's digits follow from the content.
struct RestMetadataName {
  let number: Int
  private let uuid: String

  var text: String {
    String(repeating: "0", count: max(0, 5 - "\(number)".utf8.count))
      + "\(number)-\(uuid).metadata.json"
  }

  /// The name of the version after `table`'s.
  init(after table: Table, _ bytes: [UInt8]) {
    let name = table.metadataLocation.split(separator: "/").last.map(String.init) ?? ""
    number = (RestMetadataName(parsing: name)?.number ?? 0) + 1
    uuid = RestMetadataName.uuid(of: bytes)
  }

  init?(parsing name: String) {
    guard name.hasSuffix(".metadata.json") else { return nil }
    let parts = name.dropLast(".metadata.json".count).split(
      separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let number = Int(parts[0]), number >= 0 else { return nil }
    self.number = number
    uuid = String(parts[1])
  }

  func isName(of bytes: [UInt8]) -> Bool { uuid == RestMetadataName.uuid(of: bytes) }

  private static func uuid(of bytes: [UInt8]) -> String {
    let digits = Array(Packing.sha256(bytes).utf8.prefix(32))
    return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map {
      String(decoding: digits[$0], as: UTF8.self)
    }.joined(separator: "-")
  }
}
