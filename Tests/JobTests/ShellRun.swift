import Foundation
import TestSupport

/// Runs a shell script in which `mal` is the program and stream 3 the log.
func shell(_ script: String, in folder: TemporaryFolder) throws -> (code: Int32, log: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [
        "-c", "mal() { \"$MAL\" \"$@\"; }; { \(script); } 3>log; echo $? > code",
    ]
    let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.environment = [
        "MAL": tests.deletingLastPathComponent().appendingPathComponent("mal").path,
        "BOXES": fixture("coco/instances.json"), "IMAGES": fixture("coco/images"),
        "MODEL": fixture("micro_vit_trained.pth"), "SWIFT_BACKTRACE": "enable=no",
    ]
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
        try String(contentsOfFile: folder.path + "/" + name, encoding: .utf8)
    }
    return (Int32(try text("code").dropLast()) ?? -1, try text("log"))
}
