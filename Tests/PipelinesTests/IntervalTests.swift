import Core
import Foundation
import Project
import Testing

@testable import Pipelines

@Suite("interval models, end to end")
struct IntervalTests {
  static let lines = """
    aa A 3 0
    aa B 3 0
    aa C 1 0
    bb \u{00E9}t\u{00E9} 7 0
    bb "x 2 0

    """

  @Test("an hour is published once; the second run does nothing and changes no file")
  func twice() throws {
    let project = try TestProject.pageviews()
    try project.stage("2024-01-01T05", Self.lines)
    let selection = Selection(from: try hour("2024-01-01T05"))
    let first = try project.run(selection)
    #expect(first.status == .done, "\(first.units.map { $0.failure?.description ?? "" })")
    #expect(first.units.map(\.rowCount) == [5])
    #expect(
      try project.rows("SELECT domain, page, views, rank FROM pageviews.top_pages ORDER BY ALL")
        == ["aa|A|3|1", "aa|B|3|1", "aa|C|1|3", "bb|\"x|2|2", "bb|été|7|1"])
    let before = try project.lakeListing()
    let second = try project.run(selection)
    #expect(second.status == .unchanged)
    #expect(try project.lakeListing() == before)
  }
}
