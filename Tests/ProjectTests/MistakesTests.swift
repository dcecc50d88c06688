import Core
import Foundation
import Testing

@testable import Project

/// What a user gets to read: the fixture with one thing replaced, and the whole list of messages.
@Suite struct MistakesTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var old: String
    var new: String
    var expected: [String]

    init(_ old: String, _ new: String, _ expected: String...) {
      self.old = old
      self.new = new
      self.expected = expected
    }

    var testDescription: String { new }
  }

  @Test("sluice.yaml", arguments: Case.project) func project(_ example: Case) throws {
    let found = try Fixture.mistakes {
      $0["sluice.yaml"] = $0["sluice.yaml"]!.replacing(once: example.old, with: example.new)
    }
    #expect(found == example.expected)
  }

  @Test("pipeline.yaml", arguments: Case.pipeline) func pipeline(_ example: Case) throws {
    let found = try Fixture.mistakes {
      $0["pipelines/web/pipeline.yaml"] = Fixture.pipeline.replacing(
        once: example.old, with: example.new)
    }
    #expect(found == example.expected)
  }

  @Test("a model's file", arguments: Case.model) func model(_ example: Case) throws {
    let found = try Fixture.mistakes {
      $0["pipelines/web/models/pages.yaml"] = Fixture.model.replacing(
        once: example.old, with: example.new)
    }
    #expect(found == example.expected)
  }
}

extension MistakesTests.Case {
  static let project: [Self] = [
    .init(
      "lake: lake", "lkae: x",
      "sluice.yaml:1:1: unknown key 'lkae'; did you mean 'lake'?"),
    .init(
      "lake: lake", "lake:",
      "sluice.yaml:1:6: 'lake' must be a path or URI, not nothing"),
    .init(
      "lake: lake", "lake: [a]",
      "sluice.yaml:1:7: 'lake' must be a path or URI, not a list"),
    .init(
      "lake: lake", "lake: s4://bucket",
      "sluice.yaml:1:7: no store understands 's4:'; did you mean 's3'?"),
    .init(
      "lake: lake", "lake: ${lake}/x",
      "sluice.yaml:1:7: the lake cannot be made of '${lake}'"),
    .init(
      "lake: lake", "catalog: rest",
      "sluice.yaml:1:10: a REST catalog needs its address; write catalog: {use: rest, uri: https://…}"
    ),
    .init(
      "lake: lake", "catalog: {use: rest, uri: here, token: a, credential: b, sigv4: glue}",
      "sluice.yaml:1:10: 'region' is missing here; 'sigv4' needs it",
      "sluice.yaml:1:27: 'uri' must be a web address such as https://catalog.example.com, not 'here'",
      "sluice.yaml:1:43: 'token' and 'credential' exclude each other",
      "sluice.yaml:1:43: 'credential' must be id:secret"),
    .init(
      "lake: lake", "catalog: {use: storage, uri: 'https://x'}",
      "sluice.yaml:1:25: 'uri' belongs to 'use: rest'"),
    .init(
      "lake: lake", "engine: duckdb",
      "sluice.yaml:1:9: 'engine' must be a mapping, not 'duckdb'"),
    .init(
      "lake: lake", "engine: {use: dukdb, memory: 4G, threads: 0, spill: s3://b/x, thread: 1}",
      "sluice.yaml:1:15: 'use' must be 'duckdb', not 'dukdb'; did you mean 'duckdb'?",
      "sluice.yaml:1:30: 'memory' must be a size such as 512MB, 4GB or 4GiB, not '4G'",
      "sluice.yaml:1:43: 'threads' must be a whole number from 1 to 1024, not '0'",
      "sluice.yaml:1:53: a folder of this machine is needed here",
      "sluice.yaml:1:63: unknown key 'thread'; did you mean 'threads'?"),
    .init(
      "lake: lake", "engine: {threads: \"4\", memory: 0}",
      "sluice.yaml:1:19: 'threads' must be a whole number from 1 to 1024, not '4'; remove the quotes",
      "sluice.yaml:1:32: 'memory' must be a size such as 512MB, 4GB or 4GiB, not '0'"),
    .init(
      "lake: lake", "cache: {max: lots, path: [x]}",
      "sluice.yaml:1:14: 'max' must be a size such as 512MB, 4GB or 4GiB, not 'lots'",
      "sluice.yaml:1:26: 'path' must be a path or URI, not a list"),
    .init(
      "lake: lake", "profile: prd\nprofiles: {prod: {}}",
      "sluice.yaml:1:10: there is no profile 'prd'; did you mean 'prod'?"),
    .init(
      "lake: lake", "profile: prod",
      "sluice.yaml:1:10: there is no profile 'prod'; name it under 'profiles:'"),
    .init(
      "lake: lake", "profiles: {prod: {lake: s3:x, engin: {}}, dev: [x]}",
      "sluice.yaml:1:25: 's3:' without a host or bucket; write s3://name/…",
      "sluice.yaml:1:31: unknown key 'engin'; did you mean 'engine'?",
      "sluice.yaml:1:48: profile 'dev' must be a mapping, not a list"),
    .init(
      "lake: lake", "profile: a\nprofiles: {a: {profile: b}}",
      "sluice.yaml:2:16: unknown key 'profile'; known keys: cache, catalog, engine, lake, leases, maintenance"
    ),
    .init(
      "lake: lake", "- a",
      "sluice.yaml:1:1: the file must be a mapping, not a list"),
    .init(
      "lake: lake", "just text",
      "sluice.yaml:1:1: the file must be a mapping, not 'just text'"),
    .init(
      "lake: lake", "lake: a\nlake: b\nfoo: 1",
      "sluice.yaml:2:1: key 'lake' stands here twice; it is first on line 1",
      "sluice.yaml:3:1: unknown key 'foo'; known keys: cache, catalog, engine, lake, leases, maintenance, profile, profiles"
    ),
  ]
}
