// swift-tools-version: 6.2
import PackageDescription

// libtorch's headers and libraries, taken out of the pip wheel by scripts/bootstrap.sh. TORCH_DIR names another copy
// (a second libtorch version, say). Only a root package may use unsafeFlags, which is what this one is.
let torch = Context.environment["TORCH_DIR"] ?? Context.packageDirectory + "/.deps/torch"

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]
let strictC: [String] = ["-Wall", "-Wextra", "-Werror"]
// For CI: the half of the TIFF reader that is for libtiff before 4.5.
let tiff: [CSetting] =
    Context.environment["OLD_LIBTIFF"] == nil ? [] : [.define("CI_TIFF_OPTIONS", to: "0")]

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// All modules that are written in Swift, from the lowest to the front door.
let modules = [
    "Files", "Imaging", "Torch", "Annotations", "Formats", "MaskModel", "Specs", "Distributed",
    "Inference", "Training", "Reporting", "MaskAutoLabeler",
].map { Target.Dependency(stringLiteral: $0) }

func target(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func test(_ target: String) -> Target {
    .testTarget(
        name: target + "Tests", dependencies: modules + ["TestSupport"], swiftSettings: swiftSettings)
}

let package = Package(
    name: "MaskAutoLabeler",
    products: [
        .executable(name: "mal", targets: ["mal"]),
        .library(name: "MaskAutoLabeler", targets: ["MaskAutoLabeler"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .target(
            name: "CTorch",
            cxxSettings: [
                .headerSearchPath("gloo-names"),
                .unsafeFlags(
                    [
                        "-isystem", torch + "/include",
                        "-isystem", torch + "/include/torch/csrc/api/include",
                    ] + strictC),
            ],
            linkerSettings: [
                // Run paths: beside an installed binary, then where it was built.
                .unsafeFlags([
                    "-L" + torch + "/lib",
                    "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../lib/mal/torch/lib",
                    "-Xlinker", "-rpath", "-Xlinker", torch + "/lib",
                ]),
                .linkedLibrary("torch_cpu"), .linkedLibrary("c10"),
            ]),
        .target(name: "CKernels", cSettings: [.unsafeFlags(strictC)]),
        .target(
            name: "CProgram", cSettings: [.unsafeFlags(strictC)], cxxSettings: [.unsafeFlags(strictC)]),
        .target(
            name: "CImaging",
            cSettings: [.unsafeFlags(strictC)] + tiff,
            linkerSettings: [
                .linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("webp"),
                .linkedLibrary("tiff"),
            ]),
        .target(
            name: "CJSON",
            cxxSettings: [.unsafeFlags(strictC)],
            linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "CFiles", cSettings: [.unsafeFlags(strictC)]),

        target("Files", ["CFiles"]),
        target("Imaging", ["CImaging"]),
        target("Torch", ["CTorch", "CKernels"]),
        target("Annotations", ["CJSON", "Files", "Imaging"]),
        target("Formats", ["CJSON", "Annotations", "Files", "Imaging", yams]),
        target("MaskModel", ["CKernels", "Torch"]),
        target("Specs", ["Files", yams]),
        target("Distributed", ["Files", "Specs", "Torch"]),
        target(
            "Inference",
            [
                "Annotations", "Distributed", "Files", "Formats", "Imaging", "MaskModel", "Specs", "Torch",
            ]),
        target(
            "Training",
            [
                "Annotations", "Distributed", "Files", "Imaging", "Inference", "MaskModel", "Specs",
                "Torch", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ]),
        target(
            "Reporting", ["Annotations", "Files", "Formats", "Imaging", "Inference", "Specs"]),
        target("MaskAutoLabeler", modules.dropLast()),

        .executableTarget(
            name: "mal",
            dependencies: modules + [
                "CProgram", argumentParser,
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "bench", dependencies: modules + ["CProgram", argumentParser],
            path: "Benchmarks/Sources/bench", swiftSettings: swiftSettings),
        .executableTarget(
            name: "TrainExample", dependencies: ["MaskAutoLabeler"], path: "Examples/TrainExample",
            swiftSettings: swiftSettings),

        .target(
            name: "TestSupport", dependencies: ["Torch"], path: "Tests/TestSupport",
            swiftSettings: swiftSettings),
        test("Torch"),
        test("Imaging"),
        test("COCO"),
        test("MaskModel"),
        test("Labeling"),
        .testTarget(
            name: "MalTests", dependencies: modules + ["mal", "TrainExample", "TestSupport"],
            swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx20
)
