// swift-tools-version: 6.2
// The map of the house: targets in layer order. A target may import only what stands above it (ArchitectureTests hold us to it).
import PackageDescription

// One op is one stem: Kernels/X/X.c and X.cl, Sources/AugurOps/X.swift, Tests/OpCases/X.swift.
let ops = [
  "Activation", "Attention", "BatchNorm", "Convolution", "Dice", "Dropout", "Embedding", "EmbeddingBag", "GRU", "Gate", "HSTU",
  "Interaction", "Loss", "Matmul", "Mixture", "Norm", "Optimizer", "SampledLoss", "SoftmaxLoss", "TargetAttention", "TopK",
]

let swift: [SwiftSetting] = [
  .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("ExistentialAny"), .treatAllWarnings(as: .error),
]
let c: [CSetting] = [.treatAllWarnings(as: .error)]

func layer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swift)
}
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swift)
}

// libFuzzer brings its own main, so these exist only in a build that asks for them (`make fuzz`).
let fuzzers: [Target] =
  Context.environment["AUGUR_FUZZ"] == nil
  ? []
  : [
    ("FuzzLogReader", ["AugurEvents", "FuzzFile"]), ("FuzzJSONLines", ["AugurEvents", "FuzzFile"]), ("FuzzSafetensors", ["AugurTensors"]),
    ("FuzzTable", ["AugurEvents"]), ("FuzzBehaviour", ["AugurEvents", "AugurTensors", "FuzzFile"]),
  ].map { name, targets in
    .executableTarget(
      name: name, dependencies: targets.map { .byName(name: $0) }, path: "Tests/Fuzz/\(name)",
      swiftSettings: swift + [.unsafeFlags(["-parse-as-library"])])
  } + [.target(name: "FuzzFile", path: "Tests/Fuzz/FuzzFile", swiftSettings: swift)]

let package = Package(
  name: "augur",
  products: [
    .library(name: "AugurKernels", targets: ["AugurCompute", "AugurTensors", "AugurOps"]),
    .library(
      name: "Augur",
      targets: ["AugurLayers", "AugurModels", "AugurMetrics", "AugurEvents", "AugurTraining"]),
    .executable(name: "augur", targets: ["augur"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
  ],
  targets: [
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "COpenCL", pkgConfig: "OpenCL", providers: [.apt(["ocl-icd-opencl-dev", "opencl-headers"])]),
    .target(
      name: "CKernels", dependencies: ["COpenBLAS"], path: "Kernels",
      exclude: ["PTX"] + ops.map { "\($0)/\($0).cl" } + ["Attention", "HSTU", "Matmul", "SoftmaxLoss"].map { "\($0)/\($0).sm90.cl" } + ["Matmul/Matmul.sm90a.cl"],
      cSettings: c, linkerSettings: [.linkedLibrary("m")]),
    layer("AugurCompute", ["COpenCL", "CKernels"]),
    layer("AugurTensors", ["AugurCompute"]),
    layer("AugurOps", ["AugurTensors", "AugurCompute", "CKernels"]),
    layer("AugurLayers", ["AugurOps", "AugurTensors"]),
    layer("AugurModels", ["AugurLayers", "AugurOps", "AugurTensors"]),
    layer("AugurMetrics", []),
    layer("AugurEvents", ["AugurTensors", "AugurCompute", "CKernels"]),
    layer("AugurTraining", ["AugurModels", "AugurLayers", "AugurEvents", "AugurMetrics"]),
    layer("AugurServing", ["AugurModels", "AugurEvents", "AugurMetrics"]),
    .executableTarget(
      name: "augur",
      dependencies: [
        "AugurTraining", "AugurServing", "OpCases", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], exclude: ["Guide.md"], swiftSettings: swift),
    .target(name: "OpCases", dependencies: ["AugurOps", "AugurTensors", "AugurCompute"], path: "Tests/OpCases", swiftSettings: swift),
    tests("ArchitectureTests", []),
    tests("AugurOpsTests", ["OpCases", "AugurOps", "AugurTensors", "AugurCompute"]),
    tests("AugurMetricsTests", ["AugurMetrics"]),
    tests("AugurEventsTests", ["AugurEvents", "AugurTensors", "AugurCompute"]),
    tests("AugurModelsTests", ["AugurModels"]),
    tests("AugurServingTests", ["AugurServing", "AugurModels", "AugurLayers", "AugurCompute", "AugurTensors"]),
    tests("AugurTrainingTests", ["AugurTraining", "OpCases", "AugurOps", "AugurLayers", "AugurCompute", "AugurTensors"]),
  ] + fuzzers,
  cLanguageStandard: .c2x
)
