import Core
import Formats
import Lake
import Operators
import Project
import Stores

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension IndexBatch {
  /// What was made of the files, whatever the index looks like when it is published.
  struct Built {
    var numbering: IndexManifest.Numbering
    var nextDocumentID: Int64
    /// None where no file is left.
    var segments: [IndexChange.Built] = []
    /// Files that did not change, and were looked at again because their number came free.
    var recalled: Set<String> = []

    func removeScratch() {
      for segment in segments { unlink(segment.path) }
    }
  }

  /// Numbers the files, and builds segments of those that are text.
  ///
  /// A number comes free where its file is gone, or is no text any more. Files that have waited for
  /// it are then taken in with the batch; what these leave free, in further rounds.
  ///
  /// - Parameter rejects: Gets the others, where they are set aside.
  func build(
    _ base: IndexBase, _ rejects: RejectLog, _ result: inout UnitResult
  ) throws -> Built {
    let numbering =
      base.manifest.flatMap { delta.isRebuild ? nil : $0.numbering }
      ?? DocumentNumbers.numbering(settings.documentID, for: state.files)
    var built = Built(numbering: numbering, nextDocumentID: base.manifest?.nextDocumentID ?? 1)
    var waiting = WaitingFiles(self, base)
    do {
      var files = delta.files
      if numbering == .number { files += try waiting.recalled() }
      while !files.isEmpty {
        let numbers = try number(files, numbering, waiting, next: built.nextDocumentID)
        built.nextDocumentID = numbers.next
        waiting.note(numbers)
        let free = try build(numbers, sequence: nextSequence(base, built), rejects, &built, &result)
        files = numbering == .number ? waiting.next(after: free) : []
      }
      built.recalled = waiting.looked
      try setAside(waiting.misfits, rejects, &result)
      return built
    } catch {
      built.removeScratch()
      throw error
    }
  }

  private func nextSequence(_ base: IndexBase, _ built: Built) -> Int64 {
    built.segments.last.map { $0.summary.sequence + 1 } ?? base.manifest?.nextSequence ?? 1
  }

  /// Builds a segment of numbered files.
  ///
  /// - Returns: The numbers of those that are no text.
  private func build(
    _ numbers: DocumentNumbers, sequence: Int64, _ rejects: RejectLog, _ built: inout Built,
    _ result: inout UnitResult
  ) throws -> Set<UInt32> {
    let (documents, copies) = try documents(of: numbers, &result)
    guard !documents.isEmpty else { return [] }
    let name = IndexStore.freshName(run: run.run.id)
    let path = try workspace.scratchFile()
    let outcome = try timed("compute", &result) {
      do {
        return try builder.build(
          documents, sequence: sequence, to: path,
          progress: { [label = run.unit.label, progress = workspace.context.progress] in
            progress.report(task: label, step: "index", done: $0, total: $1)
          })
      } catch var error as FormatError {
        error.place.file = error.place.file.map { workspace.addresses.address(of: $0) }
        throw error
      }
    }
    do {
      try withExtendedLifetime(copies) {
        try setAside(
          outcome.rejected.map { (documents[$0.index], $0.reason, $0.message) }, rejects, &result)
      }
      result.rowCount += Int64(outcome.segment?.documentCount ?? 0)
      if let summary = outcome.segment {
        built.segments.append(
          IndexChange.Built(
            name: name, path: path, summary: summary,
            reader: try SegmentReader(MappedSegment(path: path))))
      }
      return Set(outcome.rejected.map { documents[$0.index].id })
    } catch {
      unlink(path)
      throw error
    }
  }

  /// All files, numbered as in a new index, for who reads them otherwise.
  func allDocuments(
    _ rejects: RejectLog, _ result: inout UnitResult
  ) throws -> (documents: [IndexDocument], copies: [LocalCopy]) {
    let numbering = DocumentNumbers.numbering(settings.documentID, for: state.files)
    let none = IndexBase(manifest: nil, open: OpenIndex(run.lake.index(run.unit.id)))
    let numbers = try number(delta.files, numbering, WaitingFiles(self, none), next: 1)
    try setAside(numbers.misfits, rejects, &result)
    return try documents(of: numbers, &result)
  }

  /// Brings the numbered files here.
  private func documents(
    of numbers: DocumentNumbers, _ result: inout UnitResult
  ) throws -> (documents: [IndexDocument], copies: [LocalCopy]) {
    result.rowsRead += Int64(numbers.numbered.count)
    result.bytesRead += numbers.numbered.reduce(0) { $0 + max(0, $1.file.byteCount) }
    let fetched = try timed("fetch", &result) { try fetch(numbers.numbered.map(\.file)) }
    let documents = zip(numbers.numbered, fetched).map { entry, copy in
      IndexDocument(
        id: entry.id, key: entry.file.key, size: copy.byteCount, version: entry.file.version,
        path: copy.path, state: copy.state)
    }
    return (documents, fetched.compactMap(\.copy))
  }

  private func setAside(
    _ misfits: [DocumentNumbers.Misfit], _ rejects: RejectLog, _ result: inout UnitResult
  ) throws {
    result.rowsRead += Int64(misfits.count)
    result.bytesRead += misfits.reduce(0) { $0 + max(0, $1.file.byteCount) }
    for misfit in misfits {
      try setAside(
        misfit.file.key, nil, misfit.file.byteCount, misfit.reason, misfit.message, .quarantine,
        rejects, &result)
    }
  }

  private func number(
    _ files: [LoggedFile], _ numbering: IndexManifest.Numbering, _ waiting: WaitingFiles,
    next: Int64
  ) throws -> DocumentNumbers {
    switch numbering {
    case .number:
      return try DocumentNumbers.byName(
        files, refusesDuplicates: settings.documentID == .number, place: place,
        owners: waiting.owners)
    case .assigned:
      let known = try waiting.base.documents(keys: files.map(\.key)).map { $0?.document.id }
      return try DocumentNumbers.assigned(files, known: known, next: next, place: place)
    }
  }
}
