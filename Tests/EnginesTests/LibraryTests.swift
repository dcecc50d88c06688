import Core
import Foundation
import Testing

@testable import Engines

@Suite struct LibraryTests {
  @Test func whereTheLibraryIsLookedFor() {
    #if os(Linux)
      let name = "libduckdb.so"
    #else
      let name = "libduckdb.dylib"
    #endif
    #expect(
      DuckDBLibrary.candidates(environment: "/x/y.so", executable: "/a/b/sluice") == ["/x/y.so"])
    #expect(
      DuckDBLibrary.candidates(environment: nil, executable: "/a/b/sluice") == [
        "/a/b/.deps/lib/\(name)", "/a/.deps/lib/\(name)", "/.deps/lib/\(name)", "/a/lib/\(name)",
        name,
      ])
    #expect(
      DuckDBLibrary.candidates(environment: "", executable: "/sluice")
        == ["/.deps/lib/\(name)", "/lib/\(name)", name])
  }

  #if os(Linux)
    @Test("the library is loaded when a query needs it, and only then")
    func lazily() async {
      await #expect(processExitsWith: .success) {
        func isLoaded() -> Bool {
          let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
          return maps.contains("libduckdb")
        }
        let engine = DuckDBEngine()
        guard engine.name == "duckdb 1.5.5", !isLoaded() else { exit(2) }
        setenv("SLUICE_DUCKDB", "\(repository)/.deps/lib/libduckdb.so", 0)
        guard try engine.rows("SELECT 1") == [[.integer(1)]], isLoaded() else { exit(3) }
        exit(0)
      }
    }
  #endif

  @Test func aMissingLibraryIsSaidSo() async {
    await #expect(processExitsWith: .success) {
      setenv("SLUICE_DUCKDB", "/nonexistent/libduckdb.so", 1)
      let error = engineError { _ = try DuckDBEngine().rows("SELECT 1") }
      guard error?.code == .unavailable, error?.exitCode == 2,
        error?.message.contains("/nonexistent/libduckdb.so") == true,
        error?.advice?.contains("scripts/fetch-duckdb") == true
      else { exit(2) }
      exit(0)
    }
  }

  @Test func aLibraryThatIsNotDuckDBIsSaidSo() async {
    await #expect(processExitsWith: .success) {
      #if os(Linux)
        setenv("SLUICE_DUCKDB", "libm.so.6", 1)
      #else
        setenv("SLUICE_DUCKDB", "libSystem.dylib", 1)
      #endif
      let error = engineError { try DuckDBEngine().checkAvailable() }
      exit(error?.message.contains("duckdb_library_version") == true ? 0 : 2)
    }
  }

  @Test("rule 25: nothing is installed, loaded or changed, and only allowed folders are touched")
  func settings() throws {
    let folder = TemporaryFolder()
    _ = engine
    let closed = DuckDBEngine(
      settings: DuckDBSettings(
        memoryBytes: 300 << 20, threads: 2, spillDirectory: "\(folder.path)/spill",
        allowedDirectories: ["\(folder.path)/lake"]))
    let names = [
      "threads", "memory_limit", "TimeZone", "default_null_order", "lock_configuration",
      "autoinstall_known_extensions", "autoload_known_extensions", "enable_external_access",
    ]
    let sql = "SELECT " + names.map { "current_setting('\($0)')::varchar" }.joined(separator: ", ")
    #expect(
      try closed.rows(sql)[0].map(\.description)
        == ["2", "300.0 MiB", "UTC", "NULLS_FIRST", "true", "false", "false", "false"])
    let table = schema(("a", .int))
    let inside = try closed.compute(
      Query(sql: "SELECT 1 AS a"), into: Output(schema: table, location: "\(folder.path)/lake/x"))
    #expect(try closed.rows("FROM f", [:], ["f": .files(inside, schema: table)]) == [[.integer(1)]])
    let outside = engineError {
      _ = try closed.compute(
        Query(sql: "SELECT 1 AS a"), into: Output(schema: table, location: "\(folder.path)/other"))
    }
    #expect(outside?.message.contains("Permission Error") == true)
  }

  @Test(
    "memory that does not suffice for all threads means fewer threads",
    arguments: [
      (nil as Int64?, 4, 4), (1 << 30, 4, 4), (300 << 20, 4, 2), (1 << 20, 4, 1), (1 << 30, 0, 1),
    ])
  func threads(_ memory: Int64?, _ wanted: Int, _ used: Int) {
    #expect(DuckDBSettings(memoryBytes: memory, threads: wanted).usableThreads == used)
  }

  @Test("a spill folder that a killed process left is cleared away, one in use is not")
  func spillFolders() throws {
    let folder = TemporaryFolder()
    let abandoned = "\(folder.path)/sluice-spill-1-abc"
    try FileManager.default.createDirectory(atPath: abandoned, withIntermediateDirectories: true)
    for name in ["in-use", "duckdb_temp_storage_DEFAULT-0.tmp"] {
      try Data([1]).write(to: URL(filePath: "\(abandoned)/\(name)"))
    }
    try Data([1]).write(to: URL(filePath: "\(folder.path)/other"))
    let first = try SpillFolder(in: folder.path)
    let second = try SpillFolder(in: folder.path)
    #expect(!FileManager.default.fileExists(atPath: abandoned))
    #expect(FileManager.default.fileExists(atPath: first.path))
    second.remove()
    first.remove()
    #expect(folder.files == ["other"])
  }

  @Test("a process that just ends leaves nothing behind either")
  func endOfTheProcess() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      setenv("SLUICE_DUCKDB", "\(repository)/.deps/lib/libduckdb.so", 0)
      let folder = NSTemporaryDirectory() + "engines-exit-\(getpid())"
      let engine = DuckDBEngine(settings: DuckDBSettings(threads: 1, spillDirectory: folder))
      _ = try engine.rows("SELECT 1")
      let isThere = entries(folder).count == 1
      print("\n<\(folder)>")
      fflush(nil)
      withExtendedLifetime(engine) { exit(isThere ? 0 : 2) }
    }
    let output = String(decoding: result.standardOutputContent, as: UTF8.self)
    let path = try #require(output.split(separator: "<").last?.split(separator: ">").first)
    #expect(FileManager.default.fileExists(atPath: String(path)))
    #expect(entries(String(path)) == [])
    try FileManager.default.removeItem(atPath: String(path))
  }

  @Test func anEngineLeavesNothingBehind() throws {
    let folder = TemporaryFolder()
    _ = engine
    do {
      let brief = DuckDBEngine(settings: DuckDBSettings(threads: 1, spillDirectory: folder.path))
      _ = try brief.rows("SELECT 1")
      #expect(folder.files.count == 2)
    }
    #expect(folder.files == [])
  }
}
