import Core
import Project
import Transport

/// Tells a pipeline's hooks what happened. A hook that fails is a warning; it changes nothing about
/// what was published.
struct HookCaller: Sendable {
  let project: Project
  let run: String
  let context: Workspace.Context

  /// A table was published.
  func published(_ unit: UnitResult) {
    guard let pipeline = project[pipeline: unit.pipeline] else { return }
    call(
      pipeline.hooks.onPublish,
      event("publish", unit.pipeline, [.init("units", .array([unit.json]))]))
  }

  /// Something of the pipeline failed in the run that ends now.
  ///
  /// - Parameter error: What ended the whole run, where something did.
  func failed(_ pipeline: Pipeline, _ units: [UnitResult], _ error: (any AnyFailure)?) {
    call(
      pipeline.hooks.onFailure,
      event(
        "failure", pipeline.name,
        [.init("units", .array(units.map(\.json))), .init("error", error?.json ?? .null)]))
  }

  private func event(_ name: String, _ pipeline: String, _ members: [JSON.Member]) -> JSON {
    let head: [JSON.Member] = [
      .init("event", .string(name)), .init("pipeline", .string(pipeline)),
      .init("run", .string(run)), .init("lake", .string(project.lake)),
      .init("time", .string(context.clock.now().description)),
    ]
    return .object(head + members)
  }

  private func call(_ hooks: [Hook], _ event: JSON) {
    let text = Redaction.shared.redact(event.description) + "\n"
    for hook in hooks {
      do {
        switch hook.action {
        case .command(let words):
          try HookCommand(words: words, folder: project.directory).run(
            input: Array(text.utf8), timeoutMilliseconds: hook.timeoutMilliseconds)
        case .webhook(let address):
          try post(text, to: address, timeoutMilliseconds: hook.timeoutMilliseconds)
        }
      } catch {
        let what = (error as? any AnyFailure)?.message ?? "\(error)"
        context.log.warning(
          Redaction.shared.redact("a hook failed (\(hook.place)): \(what)"),
          ("place", .string(hook.place.description)))
      }
    }
  }

  /// Tries again where the server may only be busy: to be told twice is better than never.
  private func post(
    _ text: String, to address: String, timeoutMilliseconds: Int64
  ) throws {
    var configuration = HTTPConfiguration()
    configuration.stallMilliseconds = Int(timeoutMilliseconds)
    configuration.connectMilliseconds = Int(timeoutMilliseconds)
    let client = HTTPClient(configuration: configuration)
    let request = HTTPRequest(
      .post, address, headers: [("Content-Type", "application/json")],
      body: .bytes(Array(text.utf8)))
    let policy = RetryPolicy(maximumAttempts: 3, maximumMilliseconds: 2000)
    let response = try policy.run(cancellation: .never) { _ in
      do {
        let response = try client.send(request)
        return response.isTransient
          ? .again(.answer(response), afterMilliseconds: nil) : .done(response)
      } catch let error as TransportError where error.isTransient {
        return .again(.failure(error), afterMilliseconds: nil)
      }
    }
    guard response.isSuccess else {
      throw PipelineError(.hookFailed, "the address answered \(response.status)")
    }
  }
}
