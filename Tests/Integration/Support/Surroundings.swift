import Foundation

#if canImport(Glibc)
  import Glibc
#endif

/// Mounts of a test's own: read-only folders and small disks, in a namespace that ends with the
/// command. Linux only; some containers refuse it.
enum Mounts {
  static let whyNot = "needs `unshare -rm` with mounts, which this system refuses"

  static let areAllowed: Bool = {
    #if os(Linux)
      guard let scratch = try? Scratch(),
        let probe = try? RunningCommand(
          "/usr/bin/unshare",
          ["-rm", "/bin/sh", "-c", "mount -t tmpfs -o size=64k none . && mount --bind . ."],
          environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], in: scratch.url)
      else { return false }
      return probe.wait().exitCode == 0
    #else
      return false
    #endif
  }()

  /// Runs a shell script in the project's folder, in a namespace of its own. `sluice` is a function
  /// there; a script ends with the first command that fails.
  static func run(
    _ project: PageviewsProject, _ script: String, variables: [String: String] = [:]
  ) throws -> Outcome {
    let prelude = "set -e\nsluice() { \"$SLUICE_UNDER_TEST\" \"$@\"; }\n"
    var environment = project.environment.merging(variables) { $1 }
    environment["SLUICE_UNDER_TEST"] = Repository.binary
    environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    return try RunningCommand(
      "/usr/bin/unshare", ["-rm", "/bin/sh", "-c", prelude + script], environment: environment,
      in: project.root
    ).wait()
  }
}

/// Running the command as somebody who may not do everything: root reads and writes files whatever
/// their modes say.
enum Privileges {
  private static let isRoot = geteuid() == 0
  private static let wrapper = ["--reuid", "65534", "--regid", "65534", "--clear-groups"]

  static let whyNot = "needs to be another user than root, or setpriv and a build all can read"

  static let canDrop: Bool = {
    guard isRoot else { return true }
    let readable = [Repository.binary, Repository.path("pipelines")]
    guard
      let probe = try? RunningCommand(
        "/usr/bin/setpriv",
        wrapper + ["/bin/sh", "-c", "test -x \"$0\" && test -r \"$1\""] + readable,
        environment: [:], in: URL(filePath: "/"))
    else { return false }
    return probe.wait().exitCode == 0
  }()

  /// Lets everybody do anything with the project's files.
  static func open(_ project: PageviewsProject) throws {
    let folder = project.root.deletingLastPathComponent()
    chmod(folder.path, 0o777)
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
      chmod(folder.appending(path: path).path, 0o777)
    }
  }

  static func start(
    _ project: PageviewsProject, _ arguments: [String]
  ) throws -> RunningCommand {
    guard isRoot else { return try project.start(arguments) }
    return try RunningCommand(
      "/usr/bin/setpriv", wrapper + [Repository.binary] + arguments,
      environment: project.environment, in: project.root)
  }
}
