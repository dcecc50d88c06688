import Core
import Pipelines

/// What the verbs ask of a project. A workspace answers; tests answer with values of their own.
protocol Backend {
  func plan(_ selection: Selection) throws -> Plan
  func run(_ selection: Selection) throws -> RunReport
  func query(_ sql: String, asOf: AsOf?, visit: (RowSet) throws -> Void) throws
  func search(_ request: SearchRequest) throws -> SearchAnswer
  func history(limit: Int) throws -> [JSON]
  func historyRecord(run: String) throws -> JSON
  func state(pipelines: [String]) throws -> StateReport
  func forget(
    _ name: String, files: [String], from: Instant?, to: Instant?, held: Bool
  ) throws -> StateChange
  func rollback(_ name: String, to asOf: AsOf) throws -> StateChange
  func repair(pipelines: [String]) throws -> [StateChange]
  func relocate(pipelines: [String]) throws -> [StateChange]
  func accept(_ name: String) throws -> StateChange
  func drop(_ name: String) throws -> StateChange
  func check(pipelines: [String]) throws -> [TableCheck]
  func maintain(pipelines: [String]) throws -> MaintenanceReport
  func validate(pipelines: [String]) throws
}

extension Workspace: Backend {}
