// swift-tools-version: 6.1
import PackageDescription

/// The rooms of the house, lowest first. Arrows point downward only; see docs/ARCHITECTURE.md.
let package = Package(
  name: "sluice",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "sluice", targets: ["sluice"])
  ],
  targets: [
    // C libraries of the system's package manager: module maps and the thinnest shims.
    .systemLibrary(
      name: "CCurl", pkgConfig: "libcurl",
      providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]),
    .systemLibrary(
      name: "CJansson", pkgConfig: "jansson",
      providers: [.apt(["libjansson-dev"]), .brew(["jansson"])]),
    .systemLibrary(
      name: "CExpat", pkgConfig: "expat",
      providers: [.apt(["libexpat1-dev"]), .brew(["expat"])]),
    .systemLibrary(
      name: "CYaml", pkgConfig: "yaml-0.1",
      providers: [.apt(["libyaml-dev"]), .brew(["libyaml"])]),
    .systemLibrary(
      name: "CIsal", pkgConfig: "libisal",
      providers: [.apt(["libisal-dev"]), .brew(["isa-l"])]),
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd",
      providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(
      name: "CZlib", pkgConfig: "zlib",
      providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .systemLibrary(
      name: "CCrypto", pkgConfig: "libcrypto",
      providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
    .target(name: "CDuckDB", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),

    // Leaves: any room may import these two.
    .target(name: "Core", dependencies: ["CJansson"]),
    .target(name: "CKernels"),
    .target(name: "Kernels", dependencies: ["CKernels", "CIsal", "CZstd", "CZlib", "CCrypto"]),

    .target(name: "Formats", dependencies: ["Core", "Kernels"]),
    .target(name: "Project", dependencies: ["Core", "Kernels", "CYaml"]),
    .target(
      name: "Transport", dependencies: ["Core", "Kernels", "CCurl", "CCrypto", "CExpat"]),
    .target(name: "Stores", dependencies: ["CKernels", "Core", "Kernels", "Transport"]),
    .target(name: "Lake", dependencies: ["Core", "Kernels", "Stores", "Transport"]),
    .target(name: "Engines", dependencies: ["Core", "Kernels", "Stores", "CDuckDB"]),
    .target(name: "Auditing", dependencies: ["Core", "Project", "Engines", "Lake"]),
    .target(name: "Operators", dependencies: ["Core", "Kernels", "Formats"]),
    .target(
      name: "Pipelines",
      dependencies: [
        "Core", "Kernels", "Formats", "Project", "Transport", "Stores", "Lake", "Engines",
        "Auditing", "Operators",
      ]),
    .executableTarget(
      name: "sluice",
      dependencies: [
        "Core", "Kernels", "Project", "Stores", "Lake", "Engines", "Auditing", "Pipelines",
      ]),
    .executableTarget(name: "sluice-sample", dependencies: ["Core", "Kernels"]),
    .executableTarget(
      name: "bench-planning",
      dependencies: ["Core", "Stores", "Engines", "Project", "Pipelines", "Usage"],
      path: "Benchmarks/Planning"),
    .executableTarget(
      name: "bench-fetch", dependencies: ["Core", "Stores"], path: "Benchmarks/Fetch"),

    .target(name: "CAllocations", path: "Benchmarks/CAllocations"),
    .target(name: "Usage", path: "Benchmarks/Usage"),
    .executableTarget(
      name: "rank-kernels",
      dependencies: ["CAllocations", "Core", "Formats", "Kernels", "Operators", "Usage"],
      path: "Benchmarks/rank-kernels"),

    .executableTarget(
      name: "wordindex-kernels",
      dependencies: ["Core", "Formats", "Kernels", "Operators", "Usage"],
      path: "Benchmarks/wordindex-kernels"),

    .target(
      name: "TestSupport", dependencies: ["Core", "Kernels", "Transport"],
      path: "Tests/TestSupport"),
    .testTarget(name: "CoreTests", dependencies: ["Core"]),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "TestSupport"]),
    .testTarget(name: "FormatsTests", dependencies: ["Formats", "TestSupport"]),
    .testTarget(name: "ProjectTests", dependencies: ["Project", "TestSupport"]),
    .testTarget(name: "TransportTests", dependencies: ["Transport", "TestSupport"]),
    .testTarget(name: "StoresTests", dependencies: ["Stores", "Transport", "TestSupport"]),
    .testTarget(
      name: "LakeTests",
      dependencies: ["Engines", "Kernels", "Lake", "Stores", "TestSupport", "Transport"]),
    .testTarget(name: "EnginesTests", dependencies: ["Engines"]),
    .testTarget(name: "AuditingTests", dependencies: ["Auditing", "TestSupport"]),
    .testTarget(
      name: "OperatorsTests",
      dependencies: ["Operators", "Engines", "Formats", "Kernels", "TestSupport"]),
    .testTarget(
      name: "PipelinesTests",
      dependencies: [
        "Core", "Engines", "Kernels", "Lake", "Pipelines", "Project", "Stores", "TestSupport",
      ]),
    .testTarget(name: "CommandTests", dependencies: ["Core", "Pipelines", "sluice"]),
    .testTarget(
      name: "Integration",
      dependencies: [
        "Core", "CZlib", "Engines", "Lake", "Pipelines", "Project", "Stores", "TestSupport",
        "Transport", "sluice", "sluice-sample",
      ],
      exclude: ["README.md"]),
  ],
  swiftLanguageModes: [.v6]
)
