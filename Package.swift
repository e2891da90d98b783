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

func test(_ target: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: target + "Tests",
        dependencies: [.target(name: target), "TestSupport"] + dependencies,
        swiftSettings: swiftSettings)
}

let package = Package(
    name: "MaskAutoLabeler",
    products: [
        .executable(name: "mal", targets: ["mal"]),
        .library(name: "Labeling", targets: ["Labeling"]),
        .library(name: "MaskModel", targets: ["MaskModel"]),
        .library(name: "Torch", targets: ["Torch"]),
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
            name: "Torch", dependencies: ["CTorch", "CKernels"], swiftSettings: swiftSettings),
        .target(
            name: "CImaging",
            cSettings: [.unsafeFlags(strictC)] + tiff,
            linkerSettings: [
                .linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("webp"),
                .linkedLibrary("tiff"),
            ]),
        .target(name: "Imaging", dependencies: ["CImaging"], swiftSettings: swiftSettings),
        .target(
            name: "CJSON",
            cxxSettings: [.unsafeFlags(strictC)],
            linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "CFiles", cSettings: [.unsafeFlags(strictC)]),
        .target(
            name: "COCO",
            dependencies: ["CFiles", "CJSON", "Imaging", .product(name: "Yams", package: "Yams")],
            swiftSettings: swiftSettings),
        .target(
            name: "MaskModel", dependencies: ["Torch", "CKernels"], swiftSettings: swiftSettings),
        .target(
            name: "Labeling",
            dependencies: [
                "MaskModel", "COCO", "Imaging", "Torch",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "mal",
            dependencies: [
                "CProgram", "Labeling",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: swiftSettings),

        .executableTarget(
            name: "bench",
            dependencies: [
                "CProgram", "Labeling", "MaskModel", "Torch", "COCO", "Imaging",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks/Sources/bench", swiftSettings: swiftSettings),
        .executableTarget(
            name: "TrainExample", dependencies: ["Labeling"], path: "Examples/TrainExample",
            swiftSettings: swiftSettings),

        .target(
            name: "TestSupport", dependencies: ["Torch"], path: "Tests/TestSupport",
            swiftSettings: swiftSettings),
        test("Torch"),
        test("Imaging", ["Torch"]),
        test("COCO"),
        test("MaskModel"),
        test("Labeling", ["COCO", "Imaging", "MaskModel", "Torch"]),
        .testTarget(
            name: "MalTests", dependencies: ["mal", "TrainExample", "TestSupport", "Labeling"],
            swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx20
)
