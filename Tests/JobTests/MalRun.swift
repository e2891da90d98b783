import Foundation
import Glibc
import Testing

/// The executable as a process of its own; it is built beside the tests.
final class MalRun {
    struct Outcome {
        let code: Int32
        let output: String
        let errors: String
    }

    private let process = Process()
    private let files: (output: String, errors: String)

    /// Starts `mal` without what a launcher may have told the tests.
    static func start(_ arguments: [String], environment: [String: String]? = nil) throws -> MalRun
    {
        let run = try MalRun()
        run.process.arguments = arguments
        run.process.environment = environment
        try run.process.run()
        return run
    }

    static func run(_ arguments: [String]) throws -> Outcome { try start(arguments).finish() }

    private init() throws {
        let base = NSTemporaryDirectory() + "mal-run-" + UUID().uuidString
        files = (base + ".out", base + ".err")
        let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.executableURL = tests.deletingLastPathComponent().appendingPathComponent("mal")
        for file in [files.output, files.errors] {
            try Data().write(to: URL(fileURLWithPath: file))
        }
        process.standardOutput = FileHandle(forWritingAtPath: files.output)
        process.standardError = FileHandle(forWritingAtPath: files.errors)
        process.standardInput = FileHandle.nullDevice
    }

    deinit {
        if process.isRunning { process.terminate() }
        for file in [files.output, files.errors] {
            try? FileManager.default.removeItem(atPath: file)
        }
    }

    func finish() -> Outcome {
        process.waitUntilExit()
        func text(_ file: String) -> String {
            (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
        }
        return Outcome(
            code: process.terminationStatus, output: text(files.output), errors: text(files.errors))
    }

    /// Waits, for at most a minute, while the process runs.
    func wait(until what: String, _ isSo: () -> Bool) throws {
        let end = ContinuousClock.now + .seconds(60)
        while !isSo() {
            try #require(process.isRunning && ContinuousClock.now < end, "never came: \(what)")
            Thread.sleep(forTimeInterval: 0.02)
        }
    }

    /// What the system says the process was started with; empty when it has ended.
    var environment: [String: String] {
        let path = "/proc/\(process.processIdentifier)/environ"
        let entries = (FileManager.default.contents(atPath: path) ?? Data()).split(separator: 0)
        return Dictionary(
            entries.map { entry in
                let parts = String(decoding: entry, as: UTF8.self).split(
                    separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), String(parts.last ?? ""))
            }, uniquingKeysWith: { first, _ in first })
    }

    /// Sends a signal to the process that the launcher started as `rank`.
    func killRank(_ rank: Int, with signal: Int32 = SIGKILL) throws {
        kill(try id(ofRank: rank), signal)
    }

    /// The names under which the launcher and the process of `rank` run.
    func commands(ofRank rank: Int) throws -> [String] {
        try [process.processIdentifier, id(ofRank: rank)].map {
            try String(contentsOfFile: "/proc/\($0)/comm", encoding: .utf8)
                .trimmingCharacters(in: .newlines)
        }
    }

    private func id(ofRank rank: Int) throws -> Int32 {
        let launcher = "\(process.processIdentifier)"
        let children = try String(
            contentsOfFile: "/proc/\(launcher)/task/\(launcher)/children", encoding: .utf8)
        let all = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(launcher)/task")
            .reduce(children) { text, thread in
                text
                    + ((try? String(
                        contentsOfFile: "/proc/\(launcher)/task/\(thread)/children",
                        encoding: .utf8)) ?? "")
            }
        let wanted = all.split(separator: " ").compactMap { Int32($0) }.first { child in
            let data = FileManager.default.contents(atPath: "/proc/\(child)/environ") ?? Data()
            return data.split(separator: 0).contains(Data("RANK=\(rank)".utf8))
        }
        return try #require(wanted, "no process of rank \(rank)")
    }
}
