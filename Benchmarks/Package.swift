// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that building and testing mal does not build this.
let package = Package(
    name: "Benchmarks",
    dependencies: [
        .package(name: "MaskAutoLabeler", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        .executableTarget(
            name: "bench",
            dependencies: [
                .product(name: "COCO", package: "MaskAutoLabeler"),
                .product(name: "Imaging", package: "MaskAutoLabeler"),
                .product(name: "MaskModel", package: "MaskAutoLabeler"),
                .product(name: "Torch", package: "MaskAutoLabeler"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
