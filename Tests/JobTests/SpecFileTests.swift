import Foundation
import Inference
import Specs
import Testing
import TestSupport

@Suite struct SpecFileTests {
    static let brokenFiles: [(String, String, String)] = [
        (
            "a: [1, 2", " line 1",
            "is not YAML: did not find expected ',' or ']' "
                + "(while parsing a flow sequence of line 1)"
        ),
        (
            "train:\n\tlr: 1", " line 2",
            "is not YAML: found character that cannot start any token "
                + "(while scanning for the next token of line 2)"
        ),
        ("train:\n  lr: 1\n  wd: 2\n  lr: 3", " line 2", "the key \"lr\" is given more than once"),
        ("train:\n  lr: 1\ntrain.lr: 2", " line 3", "train.lr was given already in line 2"),
        ("- 1\n- 2", " line 1", "must hold `key: value` lines, is a list of 2"),
        ("just words", " line 1", "must hold `key: value` lines, is \"just words\""),
        (
            "a: 1\n---\nb: 2", " line 2",
            "is not YAML: but found another document "
                + "(expected a single document in the stream of line 1)"
        ),
        ("a: *nowhere", " line 1", "is not YAML: found undefined alias"),
        (
            "x: &x {lr: 1}\ntrain:\n  <<: *x", " line 3",
            "merge keys (<<) are not supported: write the keys out"
        ),
        (
            "train:\n  lr: !!python/object:os.system 1", " line 2",
            "has the tag \"tag:yaml.org,2002:python/object:os.system\", which means nothing here"
        ),
        ("a: \"\u{1}\"", " line 1", "is not YAML: control characters are not allowed"),
    ]

    @Test("broken YAML is named with its line", arguments: brokenFiles)
    func broken(text: String, place: String, message: String) {
        #expect(throws: problem("t.yaml\(place)", message)) {
            try Spec.read(text: text, name: "t.yaml", command: .train)
        }
    }

    @Test("files that can't be read say why")
    func unreadable() throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("spec-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func file(_ bytes: [UInt8]) throws -> String {
            let path = folder.appendingPathComponent("s.yaml").path
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            return path
        }
        func read(_ path: String) throws -> Spec { try Spec.read(path: path, command: .train).spec }

        let missing = folder.path + "/none.yaml"
        #expect(throws: problem(missing, "can't be opened: No such file or directory")) {
            try read(missing)
        }
        #expect(throws: problem(folder.path, "must be a file, is a folder")) {
            try read(folder.path)
        }
        #expect(throws: problem("", "can't be opened: No such file or directory")) { try read("") }
        var path = try file([0x61, 0x3A, 0xFF, 0xFE])
        #expect(throws: problem(path, "must be UTF-8 text, has other bytes")) { try read(path) }
        path = try file(Array(repeating: 0x23, count: 300_000))
        #expect(throws: problem(path, "must be 256 KiB or less, is larger")) { try read(path) }
        #expect(throws: problem("/dev/zero", "must be a file, is a pipe or device")) {
            try read("/dev/zero")
        }
        path = try file([0x61, 0x00])
        #expect(throws: SpecError.self) { try read(path) }
        path = try file([0xEF, 0xBB, 0xBF] + Array("train:\r\n  lr: 2\r\n".utf8))
        #expect(try read(path).train.learningRate == 2)
        path = try file([])
        #expect(try read(path) == Spec.standard)
    }

    @Test("aliases work, but bombs of them are refused")
    func aliases() throws {
        let text = "# ** not *an *alias\nwandb:\n  name: &n x\n  project: *n"
        #expect(try Spec.read(text: text, name: "t", command: .train).spec.wandb.project == "x")
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        #expect(throws: problem("t line 4", "must have 24 aliases or fewer, has more")) {
            try Spec.read(text: bomb, name: "t", command: .train)
        }
        // The most that 24 aliases can do, also as a key, which Yams hashes.
        var small = "a0: &a0 [x, x, x]\n"
        for level in 1...7 {
            let name = "*a\(level - 1)"
            small += "a\(level): &a\(level) [\(name), \(name), \(name)]\n"
        }
        small += "? *a7\n: *a7\n"
        #expect(throws: SpecError.self) { try Spec.read(text: small, name: "t", command: .train) }
    }

    @Test("deep nesting is refused, not followed")
    func nesting() {
        for text in [
            String(repeating: "[", count: 100_000),
            String(repeating: "{a: ", count: 50_000),
            String(repeating: "- ", count: 100_000),
            String(repeating: "? ", count: 100_000),
            "a: " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900),
            "a: " + String(repeating: "[a: ", count: 900) + String(repeating: "]", count: 900),
            String(repeating: "{", count: 900) + String(repeating: "}: 1", count: 900),
            (0..<700).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n"),
        ] {
            #expect(throws: SpecError.self) {
                try Spec.read(text: text, name: "t", command: .train)
            }
        }
    }

    @Test("bytes thrown in at random never trap")
    func mutated() throws {
        let original = Array(
            try String(contentsOfFile: fixture("specs/tao6_notebook.yaml"), encoding: .utf8).utf8)
        var generator = SplitMix(state: 7)
        for _ in 0..<2000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0...3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...127, using: &generator)
                case 1: bytes.remove(at: index)
                case 2:
                    bytes.insert(
                        Array("[]{}:?-*&!|>'\"%@`#,\n\t ".utf8).randomElement(using: &generator)!,
                        at: index)
                default: bytes.removeSubrange(index..<min(bytes.count, index + 20))
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            _ = try? Spec.read(text: text, name: "t", command: .train)
        }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
