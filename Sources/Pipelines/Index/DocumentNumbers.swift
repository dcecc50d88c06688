import Core
import Kernels
import Lake
import Operators
import Project

/// Which ID each file of a batch gets (rule 32), and which files get none.
struct DocumentNumbers {
  /// A file that has no number of its own.
  struct Misfit {
    var file: LoggedFile
    /// `no_number`, `duplicate_number`.
    var reason: String
    /// A clause that completes "the file …".
    var message: String
  }

  typealias Numbered = (file: LoggedFile, id: UInt32)

  /// In the order of the files given, without the misfits.
  var numbered: [Numbered] = []
  var misfits: [Misfit] = []
  /// The ID that the next document gets, where they are assigned.
  var next: Int64

  /// The number that a file's name is: without folders, and without all extensions. Nil where it is
  /// none, or none of 32 bits.
  static func number(of key: String) -> UInt32? {
    var key = key
    return key.withUTF8 { number(of: UnsafeRawBufferPointer($0)) }
  }

  /// - Parameter key: In UTF-8.
  static func number(of key: UnsafeRawBufferPointer) -> UInt32? {
    var name = key[...]
    if let slash = name.lastIndex(of: UInt8(ascii: "/")) {
      name = name[name.index(after: slash)...]
    }
    if let dot = name.firstIndex(of: UInt8(ascii: ".")) { name = name[..<dot] }
    guard !name.isEmpty else { return nil }
    var value: UInt64 = 0
    for byte in name {
      guard (48...57).contains(byte) else { return nil }
      value = value * 10 + UInt64(byte - 48)
      guard value <= UInt64(UInt32.max) else { return nil }
    }
    return UInt32(value)
  }

  /// How a new index numbers its documents.
  ///
  /// - Parameter files: All files of the collection. Four bytes of memory for each.
  static func numbering(
    _ wanted: WordIndexSettings.DocumentID, for files: LogState.Files
  ) -> IndexManifest.Numbering {
    switch wanted {
    case .number: return .number
    case .assigned: return .assigned
    case .auto:
      var numbers: [UInt32] = []
      var isNumbered = true
      numbers.reserveCapacity(files.count)
      files.forEachKey { _, key in
        guard isNumbered, let number = number(of: key) else {
          isNumbered = false
          return
        }
        numbers.append(number)
      }
      guard isNumbered else { return .assigned }
      numbers.sort()
      return zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 } ? .number : .assigned
    }
  }

  /// - Parameter files: Eight bytes of memory for each.
  /// - Throws: `PipelineError` `.duplicateNumber` where two files have the same number.
  static func requireDistinct(_ files: LogState.Files, at place: Place) throws {
    var numbers: [(id: UInt32, index: UInt32)] = []
    numbers.reserveCapacity(files.count)
    files.forEachKey { index, key in
      if let number = number(of: key) { numbers.append((number, UInt32(index))) }
    }
    numbers.sort { $0 < $1 }
    for (a, b) in zip(numbers, numbers.dropFirst()) where a.id == b.id {
      throw duplicate(a.id, files[Int(a.index)].key, files[Int(b.index)].key, place)
    }
  }

  private static func duplicate(
    _ id: UInt32, _ first: String, _ second: String, _ place: Place
  ) -> PipelineError {
    PipelineError(
      .duplicateNumber, "two files have the number \(id): '\(first)' and '\(second)'", at: place,
      advice: "rename one of them, or write 'doc_id: assigned'", exitCode: 1)
  }

  /// Numbers files by their names. Of several with one number, the file has it that has had it;
  /// else the one that came first to the source.
  ///
  /// - Parameters:
  ///   - refusesDuplicates: Two files of one number are an error, not a misfit.
  ///   - owners: Of each number the file that has it already, be it of `files` or not.
  /// - Throws: `PipelineError` `.duplicateNumber`.
  static func byName(
    _ files: [LoggedFile], refusesDuplicates: Bool, place: Place,
    owners: ([UInt32]) throws -> [String?]
  ) throws -> DocumentNumbers {
    var result = DocumentNumbers(next: 1)
    var numbered: [Numbered] = []
    numbered.reserveCapacity(files.count)
    for file in files {
      guard let number = number(of: file.key) else {
        result.misfits.append(
          Misfit(
            file: file, reason: "no_number",
            message: "has no number from 0 to \(UInt32.max) for its name, and the index numbers "
              + "its documents by their files' names"))
        continue
      }
      numbered.append((file, number))
    }
    let owners = try owners(numbered.map(\.id))
    // Of each number the place of the file that gets it, where nobody has it.
    var first: [UInt32: Int] = [:]
    first.reserveCapacity(numbered.count)
    for index in numbered.indices where owners[index] == nil {
      let id = numbered[index].id
      guard let other = first[id].map({ numbered[$0].file }) else {
        first[id] = index
        continue
      }
      let file = numbered[index].file
      if (file.batch, file.key) < (other.batch, other.key) { first[id] = index }
    }
    var late = Set<Int>()
    for index in numbered.indices {
      let (owner, firstIndex) = (owners[index], first[numbered[index].id])
      if owner == nil && firstIndex == index { continue }
      let entry = numbered[index]
      let other = owner ?? numbered[firstIndex ?? index].file.key
      if other == entry.file.key { continue }
      guard !refusesDuplicates else {
        throw duplicate(entry.id, other, entry.file.key, place)
      }
      late.insert(index)
      result.misfits.append(
        Misfit(
          file: entry.file, reason: "duplicate_number",
          message: "has the number \(entry.id), which '\(other)' has already"))
    }
    // Mostly all of them: a copy would be of every file.
    result.numbered =
      late.isEmpty
      ? numbered : numbered.indices.filter { !late.contains($0) }.map { numbered[$0] }
    return result
  }

  /// Gives numbers one after the other to files that have none yet.
  ///
  /// - Parameter known: Of each file, the number it has.
  static func assigned(
    _ files: [LoggedFile], known: [UInt32?], next: Int64, place: Place
  ) throws -> DocumentNumbers {
    var result = DocumentNumbers(next: next)
    result.numbered.reserveCapacity(files.count)
    for (file, number) in zip(files, known) {
      if let number {
        result.numbered.append((file, number))
        continue
      }
      guard let fresh = UInt32(exactly: result.next) else {
        throw PipelineError(
          .duplicateNumber, "the index has used all \(UInt32.max) numbers of documents", at: place,
          advice: "split the collection into several pipelines", exitCode: 1)
      }
      result.numbered.append((file, fresh))
      result.next += 1
    }
    return result
  }
}

extension Failure.Code where Domain == PipelineDomain {
  /// Files whose names are to number them have the same number, or there is none left.
  public static var duplicateNumber: Self { .init(rawValue: "duplicateNumber") }
}
