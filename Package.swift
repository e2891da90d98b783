// swift-tools-version: 6.2
import Foundation
import PackageDescription

// Where libtorch is. In a clone scripts/bootstrap.sh puts it into .deps/torch, and TORCH_DIR names another copy
// (a second version, say). As a dependency of another package this one has neither, and may use no unsafe flags: there
// pkg-config finds what scripts/install-libtorch.sh has installed.
let clone = Context.environment["TORCH_DIR"] ?? Context.packageDirectory + "/.deps/torch"
let torch = FileManager.default.fileExists(atPath: clone + "/lib") ? clone : nil

// Where the program finds its libraries: beside it when scripts/install.sh builds it (as RPATH, which serves the
// libraries' own libraries too), else where it was built.
let isInstalled = Context.environment["MAL_INSTALL"] != nil
let runPaths: [String] =
    (isInstalled ? ["-Xlinker", "--disable-new-dtags"] : [])
    + (isInstalled
        ? ["$ORIGIN/../lib/mal/torch/lib", "$ORIGIN/../lib/mal/lib"] : [clone + "/lib"])
    .flatMap { ["-Xlinker", "-rpath", "-Xlinker", $0] }

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]
let strictC: [CSetting] = [
    .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
]
let strictCXX: [CXXSetting] = [
    .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
]
let torchHeaders: [CXXSetting] =
    torch.map {
        let include = $0 + "/include"
        return [
            .unsafeFlags(["-isystem", include, "-isystem", include + "/torch/csrc/api/include"])
        ]
    } ?? []
// For CI: the half of the TIFF reader that is for libtiff before 4.5.
let tiff: [CSetting] =
    Context.environment["OLD_LIBTIFF"] == nil ? [] : [.define("CI_TIFF_OPTIONS", to: "0")]

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let serverParts: [Target.Dependency] = [
    ("GRDB", "GRDB.swift"), ("HTTPTypes", "swift-http-types"), ("Hummingbird", "hummingbird"),
    ("HummingbirdCore", "hummingbird"), ("Logging", "swift-log"), ("NIOCore", "swift-nio"),
    ("NIOHTTP1", "swift-nio"), ("NIOHTTPTypes", "swift-nio-extras"),
    ("NIOHTTPTypesHTTP1", "swift-nio-extras"), ("NIOPosix", "swift-nio"),
    ("ServiceLifecycle", "swift-service-lifecycle"),
    ("UnixSignals", "swift-service-lifecycle"),
].map { .product(name: $0.0, package: $0.1) }
let servedPages: [Resource] = [
    "openapi.json", "review.html", "review.css", "review.js", "canvas.js", "tools.js", "rle.js",
    "api.js",
].map { .embedInCode("Pages/" + $0) }

/// All modules that are written in Swift, from the lowest to the front door.
let modules = [
    "Files", "Imaging", "Torch", "Annotations", "Formats", "MaskModel", "Specs", "Distributed",
    "Inference", "Training", "Reporting", "Exporting", "MaskAutoLabeler", "Serving",
].map { Target.Dependency(stringLiteral: $0) }

/// - Parameter embedded: files whose bytes become code.
func target(
    _ name: String, _ dependencies: [Target.Dependency], embedded: [String] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, resources: embedded.map { .embedInCode($0) },
        swiftSettings: swiftSettings)
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
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.34.1"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.0.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ]
        + (Context.environment["MAL_DOCS"] == nil
            ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0")]),
    targets: (torch == nil
        ? [.systemLibrary(name: "CLibtorch", pkgConfig: "libtorch")] : []) + [
        .target(
            name: "CTorch",
            dependencies: torch == nil ? ["CLibtorch"] : [],
            cxxSettings: strictCXX + torchHeaders,
            linkerSettings: [.linkedLibrary("torch_cpu"), .linkedLibrary("c10")]
                + (torch.map {
                    [
                        .unsafeFlags(["-L" + $0 + "/lib"] + runPaths)
                    ]
                } ?? [])),
        // Of CTorch it needs the headers only: as a dependency that would be a module, which C++ does not take.
        .target(
            name: "CDistributed", dependencies: torch == nil ? ["CLibtorch"] : [],
            cxxSettings: strictCXX + torchHeaders
                + ["gloo-names", "../CTorch", "../CTorch/include"].map { .headerSearchPath($0) }),
        .target(name: "CKernels", cSettings: strictC),
        .target(name: "CProgram", cSettings: strictC, cxxSettings: strictCXX),
        .target(
            name: "CImaging", cSettings: strictC + tiff,
            linkerSettings: [
                .linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("webp"),
                .linkedLibrary("tiff"), .linkedLibrary("z"),
            ]),
        .target(
            name: "CJSON", cxxSettings: strictCXX, linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "CFiles", cSettings: strictC),

        target("Files", ["CFiles"]),
        target("Imaging", ["CImaging"]),
        target("Torch", ["CTorch", "CKernels", "Files"]),
        target("Annotations", ["CJSON", "Files", "Imaging"]),
        target("Formats", ["CJSON", "Annotations", "Files", "Imaging", yams]),
        target("MaskModel", ["CKernels", "Torch"]),
        target("Specs", ["Files", yams]),
        target("Distributed", ["CDistributed", "Files", "Specs", "Torch"]),
        target(
            "Inference",
            [
                "Annotations", "Distributed", "Files", "Formats", "Imaging", "MaskModel", "Specs", "Torch",
            ],
            embedded: ["Confidence/Fits/default.json", "Confidence/Fits/tiny.json"]),
        target(
            "Training",
            [
                "Annotations", "Distributed", "Files", "Imaging", "Inference", "MaskModel", "Specs",
                "Torch", protobuf,
            ]),
        target(
            "Reporting",
            ["Annotations", "Files", "Formats", "Imaging", "Inference", "MaskModel", "Specs"],
            embedded: ["Page/index.html", "Page/report.css", "Page/report.js"]),
        target("Exporting", ["Files", "MaskModel", "Torch", protobuf]),
        target("MaskAutoLabeler", modules.dropLast(2)),
        .target(
            name: "Serving",
            dependencies: [
                "Annotations", "Files", "Formats", "Imaging", "Inference", "MaskAutoLabeler", "Specs",
            ] + serverParts,
            resources: servedPages, swiftSettings: swiftSettings),

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
            name: "TrainExample", dependencies: ["MaskAutoLabeler"], path: "Examples/TrainExample"),

        .target(
            name: "TestSupport", dependencies: ["Torch"], path: "Tests/TestSupport",
            swiftSettings: swiftSettings),
        test("Torch"),
        test("Imaging"),
        test("Annotations"),
        test("MaskModel"),
        test("Job"),
        test("Serving"),
        .testTarget(
            name: "MalTests", dependencies: modules + ["mal", "TrainExample", "TestSupport"],
            swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx20
)

// The fuzzer, which scripts/fuzz.sh builds, reads what only this package sees.
if Context.environment["MAL_FUZZ"] != nil {
    package.targets += [
        .target(name: "CFuzz", path: "Fuzz/Sources/CFuzz"),
        .executableTarget(
            name: "fuzz", dependencies: modules + ["CFuzz"], path: "Fuzz/Sources/fuzz"),
    ]
}
