import CFuzz
import Foundation

/// `fuzz run [READER …]`, `fuzz reproduce READER FILE`, `fuzz generate READER NUMBER`; `worker` is
/// what `run` starts.
@main
struct Main {
    private var words: [String] = []
    private var options: [String: String] = [:]

    static func main() {
        do {
            try Main(CommandLine.arguments.dropFirst()).run()
        } catch {
            FileHandle.standardError.write(Data("fuzz: \(error)\n".utf8))
            exit(error is WrongUse ? 64 : 1)
        }
    }

    private init(_ arguments: ArraySlice<String>) throws {
        var rest = arguments
        while let word = rest.popFirst() {
            guard word.hasPrefix("--") else {
                words.append(word)
                continue
            }
            guard let value = rest.popFirst() else { throw WrongUse("\(word) needs a value") }
            options[String(word.dropFirst(2))] = value
        }
    }

    private func number(_ name: String, default value: Int) throws -> Int {
        guard let text = options[name] else { return value }
        guard let number = Int(text), number >= 0 else {
            throw WrongUse("--\(name) must be a whole number, is \(text)")
        }
        return number
    }

    private func run() throws {
        let seed = UInt64(try number("seed", default: 1))
        let root = options["root"] ?? FileManager.default.currentDirectoryPath
        let scratch = options["scratch"] ?? NSTemporaryDirectory()
        let places = Places(root: root, scratch: scratch)
        switch (words.first, words.count) {
        case ("run", _):
            let supervisor = Supervisor(
                places: places, seed: seed, inputCount: try number("count", default: 100_000),
                findings: options["findings"] ?? scratch + "/findings")
            try runAll(supervisor, Array(words.dropFirst()))
        case ("check", 1):
            let supervisor = Supervisor(
                places: places, seed: seed, inputCount: Reader.faultCount,
                findings: scratch + "/planted")
            let found = try supervisor.run("faults").findings
            print("\(found.count) of \(Reader.faultCount) planted faults are found")
            guard found.count == Reader.faultCount else {
                print(found.joined(separator: "\n"))
                exit(1)
            }
        case ("worker", 2):
            let reader = try Reader.named(words[1], places)
            guard let state = cf_state_open(scratch + "/state") else {
                throw WrongUse("\(scratch)/state cannot be mapped")
            }
            let range = try number("from", default: 0)..<number("to", default: 0)
            Worker(reader: reader, seed: seed, state: state).run(range)
        case ("generate", 3):
            let reader = try Reader.named(words[1], places)
            let input = Worker.input(reader, seed: seed, index: Int(words[2]) ?? 0)
            FileHandle.standardOutput.write(Data(input))
        case ("reproduce", 3): try reproduce(places)
        default:
            throw WrongUse(
                "use: fuzz run [READER …] [--count N] [--seed N] [--findings FOLDER], "
                    + "fuzz reproduce READER FILE [--index N]")
        }
    }

    private func runAll(_ supervisor: Supervisor, _ chosen: [String]) throws {
        let names = chosen.isEmpty ? Reader.all.map(\.name) : chosen
        for name in names { _ = try Reader.named(name, supervisor.places) }
        let titles = [
            "reader", "inputs", "s", "accepted", "rejected", "slowest, ms", "input", "most MB",
            "input",
            "findings",
        ]
        print(Self.row(titles))
        var findings: [String] = []
        for name in names {
            let tally = try supervisor.run(name)
            print(
                Self.row([
                    name, "\(tally.inputs)", String(format: "%.0f", tally.seconds),
                    "\(tally.accepted)", "\(tally.rejected)",
                    String(format: "%.0f", tally.slowest.seconds * 1000),
                    "\(tally.slowest.index)",
                    String(format: "%.1f", Double(tally.largest.bytes) / 1e6),
                    "\(tally.largest.index)",
                    "\(tally.findings.count)",
                ]))
            fflush(nil)
            findings += tally.findings
        }
        guard !findings.isEmpty else { return }
        print("\n" + findings.joined(separator: "\n"))
        print("inputs and logs: \(supervisor.findings)")
        exit(1)
    }

    private static func row(_ cells: [String]) -> String {
        zip(cells, [12, 8, 6, 10, 10, 13, 8, 9, 8, 10]).enumerated().map { place, cell in
            let padding = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
            return place == 0 ? cell.0 + padding : padding + cell.0
        }.joined()
    }

    /// Reads one file with one reader and says what came of it.
    private func reproduce(_ places: Places) throws {
        let reader = try Reader.named(words[1], places)
        let input = Array(try Data(contentsOf: URL(fileURLWithPath: words[2])))
        unlink(places.scratch + "/state")
        guard let state = cf_state_open(places.scratch + "/state") else {
            throw WrongUse("\(places.scratch)/state cannot be mapped")
        }
        let worker = Worker(reader: reader, seed: 0, state: state)
        let message = worker.read(input, index: try number("index", default: 0))
        print(message.map { "rejected: \($0)" } ?? "accepted")
        print("\(state.pointee.slowest * 1000) ms, \(Double(state.pointee.largest) / 1e6) MB")
    }
}
