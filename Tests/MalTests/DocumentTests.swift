import Foundation
import TestSupport
import Testing

/// README.md, CONTRIBUTING.md, CHANGELOG.md and docs/*.md: their lines are short, their links lead
/// to files, and the commands that they mark as runnable run.
@Suite("Documents")
struct DocumentTests {
    static let root = URL(fileURLWithPath: fixture("")).deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Paths from the root of the repository.
    static let pages: [String] = {
        let names = try? FileManager.default.contentsOfDirectory(atPath: root.path + "/docs")
        return ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
            + (names ?? []).sorted().filter { $0.hasSuffix(".md") }.map { "docs/" + $0 }
    }()

    func lines(of page: String) throws -> [String] {
        try String(contentsOf: Self.root.appendingPathComponent(page), encoding: .utf8)
            .components(separatedBy: "\n")
    }

    /// The blocks of bash that stand below `<!-- runnable -->`, as one script.
    func script(of page: String) throws -> String {
        var script: [String] = []
        var isInside = false
        var isMarked = false
        for line in try lines(of: page) {
            if isInside, line == "```" { isInside = false }
            if isInside { script.append(line) }
            if isMarked {
                #expect(line == "```bash", "\(page): below the mark of a runnable block")
                isInside = true
            }
            isMarked = line == "<!-- runnable -->"
        }
        return script.joined(separator: "\n")
    }

    /// The demo's boxes, but every eighth only, which saves half a minute.
    func fewBoxes() throws -> Data {
        let path = Self.root.appendingPathComponent("Demo/boxes.json")
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: path))
        var boxes = try #require(json as? [String: Any])
        let annotations = try #require(boxes["annotations"] as? [Any])
        boxes["annotations"] = stride(from: 0, to: annotations.count, by: 8).map { annotations[$0] }
        return try JSONSerialization.data(withJSONObject: boxes)
    }

    /// Runs a script with the `mal` that is built beside the tests; the exit code and all output.
    func run(_ script: String, in folder: String) throws -> (code: Int32, output: String) {
        let built = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-eo", "pipefail", "-c", script]
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = built + ":" + (environment["PATH"] ?? "")
        process.environment = environment
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    @Test(
        "no line but those of tables and links is over 110 columns",
        arguments: pages)
    func width(_ page: String) throws {
        let long = try lines(of: page).filter {
            $0.count > 110 && !$0.hasPrefix("|") && !$0.contains("](") && !$0.contains("http")
        }
        #expect(long.isEmpty)
    }

    @Test("links between pages lead to files", arguments: pages)
    func links(_ page: String) throws {
        let folder = Self.root.appendingPathComponent(page).deletingLastPathComponent()
        for line in try lines(of: page) {
            for link in line.matches(of: /\]\(([^)#:]+)(#[^)]*)?\)/) {
                let path = folder.appendingPathComponent(String(link.1)).path
                #expect(FileManager.default.fileExists(atPath: path), "\(link.1)")
            }
        }
    }

    @Test("pages that the program's texts name are there")
    func namedPages() throws {
        let sources = Self.root.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(atPath: sources.path))
        for case let file as String in files where file.hasSuffix(".swift") {
            let text = try String(contentsOf: sources.appendingPathComponent(file), encoding: .utf8)
            for match in text.matches(of: /docs\/[a-z-]+\.md/) {
                #expect(Self.pages.contains(String(match.0)), "\(file)")
            }
        }
    }

    @Test("what is marked as runnable runs once `make demo` has run")
    func runnable() throws {
        let files = FileManager.default
        let work = NSTemporaryDirectory() + "mal-documents-" + UUID().uuidString
        defer { try? files.removeItem(atPath: work) }
        let demo = work + "/demo"
        try files.createDirectory(atPath: demo + "/Demo", withIntermediateDirectories: true)
        for name in ["Demo/images", "Models", "specs"] {
            try files.createSymbolicLink(
                atPath: demo + "/" + name, withDestinationPath: Self.root.path + "/" + name)
        }
        try fewBoxes().write(to: URL(fileURLWithPath: demo + "/Demo/boxes.json"))
        // What `make demo` writes, by the small model because it is several times as fast.
        let made = try run(
            "mal label Demo/images --boxes Demo/boxes.json --out demo-out/masks.json"
                + " --checkpoint tiny --overlays demo-out/overlays --report demo-out/report",
            in: demo)
        #expect(made.code == 0, "\(made.output)")
        for page in Self.pages {
            let script = try script(of: page)
            guard !script.isEmpty else { continue }
            let folder = work + "/" + page.replacing("/", with: "-")
            try files.copyItem(atPath: demo, toPath: folder)
            let result = try run(script, in: folder)
            #expect(result.code == 0, "\(page): \(result.output)")
        }
    }
}
