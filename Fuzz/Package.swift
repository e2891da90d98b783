// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the main build has nothing to do with it. Built by scripts/fuzz.sh.
let package = Package(
    name: "Fuzz",
    dependencies: [.package(name: "MaskAutoLabeler", path: "..")],
    targets: [
        .target(name: "CFuzz"),
        .executableTarget(
            name: "fuzz",
            dependencies: ["CFuzz", .product(name: "MaskAutoLabeler", package: "MaskAutoLabeler")]),
    ],
    swiftLanguageModes: [.v6]
)
