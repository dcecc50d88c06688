import Core
import Foundation
import Project
import TestSupport
import Testing

@testable import Pipelines

@Suite("maintain, beside the tables")
struct MaintainTests {
  @Test("what exports have replaced goes once it is old, and nothing else that lies there")
  func exports() throws {
    let project = try Chain.project(kinds: ["bronze", "silver", "totals"])
    let path = "pipelines/shop/pipeline.yaml"
    try project.write(
      path,
      String(decoding: try project.read(path), as: UTF8.self)
        + "\nexports:\n  totals: {model: totals, to: out/totals, format: csv}\n")
    try project.put("a", "1,ann,5,1")
    try project.run()
    func names() throws -> [String] {
      try FileManager.default.contentsOfDirectory(
        atPath: project.folder.appending(path: "out/totals").path()
      ).sorted()
    }
    let exported = try names()
    #expect(exported.count == 2)
    let strays = ["notes.txt", "totals-0123456789abcdef.csv", "totals-fedcba9876543210.csv"]
    for name in strays { try project.write("out/totals/\(name)", "x") }
    for name in exported + strays.dropLast() {
      try FileManager.default.setAttributes(
        [.modificationDate: Date.past(3 * 86_400)],
        ofItemAtPath: project.folder.appending(path: "out/totals/\(name)").path())
    }
    let report = try project.workspace().maintain(pipelines: [])
    #expect(!report.isFailed)
    #expect(report.removedFiles == 1)
    #expect(try names() == (exported + ["notes.txt", "totals-fedcba9876543210.csv"]).sorted())
    #expect(try project.run().status == .unchanged)
  }
}
