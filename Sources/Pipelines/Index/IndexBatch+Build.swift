import Core
import Formats
import Kernels
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
  /// - Parameters:
  ///   - rowCount: Of the rows that are written meanwhile: see `RowsAhead`.
  ///   - rejects: Gets the others, where they are set aside.
  func build(
    _ base: IndexBase, besideRows rowCount: Int64, _ rejects: RejectLog,
    _ result: inout UnitResult
  ) throws -> Built {
    let numbering =
      base.manifest.flatMap { delta.isRebuild ? nil : $0.numbering }
      ?? DocumentNumbers.numbering(settings.documentID, for: state.files)
    var built = Built(numbering: numbering, nextDocumentID: base.manifest?.nextDocumentID ?? 1)
    var waiting = WaitingFiles(self, base)
    // Planning has left holes. Few files need no more than these, and are done sooner in them.
    if hasFewFiles { keepFreedMemory(upTo: 8 << 20) } else { returnFreedMemory() }
    do {
      if delta.isRebuild && settings.documentID == .number {
        try DocumentNumbers.requireDistinct(state.files, at: place)
      }
      for piece in pieces {
        var files = piece
        if numbering == .number {
          // Appending nothing would copy all.
          let recalled = try waiting.recalled()
          if !recalled.isEmpty { files += recalled }
        }
        while !files.isEmpty {
          var groups: [ArraySlice<DocumentNumbers.Numbered>]
          do {
            let numbers = try number(files, numbering, waiting, next: built.nextDocumentID)
            built.nextDocumentID = numbers.next
            waiting.note(numbers)
            groups = self.groups(of: numbers)
          }
          var free = Set<UInt32>()
          while !groups.isEmpty {
            // The numbered files are let go of as soon as there are documents.
            let (documents, copies) = try documents(of: groups.removeFirst(), &result)
            free.formUnion(
              try build(documents, copies, base, besideRows: rowCount, rejects, &built, &result))
          }
          files = numbering == .number ? waiting.next(after: free) : []
        }
      }
      built.recalled = waiting.looked
      try setAside(waiting.misfits, rejects, &result)
      return built
    } catch {
      built.removeScratch()
      throw error
    }
  }

  /// What is in memory at one time of the files: where the index is built again, not all of them.
  private var pieces: some Sequence<[LoggedFile]> {
    let all = delta.all
    let size = workspace.context.limits.ofIndexes.fileCount
    let starts = all.map { Array(stride(from: 0, to: $0.count, by: size)) } ?? [0]
    return starts.lazy.map { start in
      all.map { Array($0[start..<min($0.count, start + size)]) } ?? delta.files
    }
  }

  /// Numbered files in groups, of each of which all that has to be fetched has room in the cache.
  private func groups(of numbers: DocumentNumbers) -> [ArraySlice<DocumentNumbers.Numbered>] {
    let limit = max(1, workspace.project.cache.maxBytes / 2)
    let files = numbers.numbered
    var groups: [ArraySlice<DocumentNumbers.Numbered>] = []
    var start = 0
    var byteCount: Int64 = 0
    for (index, entry) in files.enumerated() {
      let size =
        entry.file.isInPlace(workspace.addresses) ? 0 : max(0, entry.file.byteCount)
      if index > start && byteCount + size > limit {
        groups.append(files[start..<index])
        (start, byteCount) = (index, 0)
      }
      byteCount += size
    }
    if start < files.count { groups.append(files[start...]) }
    return groups
  }

  /// Builds a segment of documents.
  ///
  /// - Parameter copies: Keep what was fetched of them from being evicted.
  /// - Returns: The numbers of those that are no text.
  private func build(
    _ documents: [IndexDocument], _ copies: [LocalCopy], _ base: IndexBase,
    besideRows rowCount: Int64, _ rejects: RejectLog, _ built: inout Built,
    _ result: inout UnitResult
  ) throws -> Set<UInt32> {
    let sequence =
      built.segments.last.map { $0.summary.sequence + 1 } ?? base.manifest?.nextSequence ?? 1
    let name = IndexStore.freshName(run: run.run.id)
    let path = try workspace.scratchFile()
    let outcome = try timed("compute", &result) {
      do {
        return try builder(
          among: max(delta.files.count, documents.count),
          threads: threads(for: documents, besideRows: rowCount)
        ).build(
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

  /// Half of the threads where the others are as long at work on rows. More would wait for each other,
  /// each with a table of words of its own, most of which a few files have in common.
  private func threads(for documents: [IndexDocument], besideRows rowCount: Int64) -> Int {
    let threads = workspace.project.engine.threads
    // A row takes as long as some ten bytes of text.
    let isShared = documents.reduce(0) { $0 + $1.size } <= 16 * rowCount
    return isShared ? max(1, threads / 2) : threads
  }

  /// All files, numbered as in a new index, for who reads them otherwise.
  func allDocuments(
    _ rejects: RejectLog, _ result: inout UnitResult
  ) throws -> (documents: [IndexDocument], copies: [LocalCopy]) {
    let numbering = DocumentNumbers.numbering(settings.documentID, for: state.files)
    let none = IndexBase(manifest: nil, open: OpenIndex(run.lake.index(run.unit.id)), threads: 1)
    let numbers = try number(Array(state.files), numbering, WaitingFiles(self, none), next: 1)
    try setAside(numbers.misfits, rejects, &result)
    return try documents(of: numbers.numbered[...], &result)
  }

  /// Brings numbered files here.
  private func documents(
    of group: ArraySlice<DocumentNumbers.Numbered>, _ result: inout UnitResult
  ) throws -> (documents: [IndexDocument], copies: [LocalCopy]) {
    result.rowsRead += Int64(group.count)
    result.bytesRead += group.reduce(0) { $0 + max(0, $1.file.byteCount) }
    return try timed("fetch", &result) {
      var documents: [IndexDocument] = []
      documents.reserveCapacity(group.count)
      var missing: [DocumentNumbers.Numbered] = []
      for entry in group {
        if let document = inPlace(entry) {
          documents.append(document)
        } else {
          missing.append(entry)
        }
      }
      if missing.isEmpty { return (documents, []) }
      let fetched = try fetch(missing.map(\.file))
      for (entry, copy) in zip(missing, fetched) {
        documents.append(
          IndexDocument(
            id: entry.id, key: entry.file.key, size: copy.byteCount, version: entry.file.version,
            path: copy.path, state: copy.state))
      }
      return (documents, fetched.compactMap(\.copy))
    }
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
      // Numbers that files had for their names, before a rebuild, others may get now.
      let known =
        waiting.base.manifest?.numbering == .assigned
        ? try waiting.base.documents(keys: files.map(\.key)).map { $0?.id }
        : files.map { _ in nil }
      return try DocumentNumbers.assigned(files, known: known, next: next, place: place)
    }
  }
}
