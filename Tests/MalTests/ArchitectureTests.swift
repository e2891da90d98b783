import Foundation
import Testing

/// docs/architecture.md and the imports of Sources say the same.
@Suite("Architecture")
struct ArchitectureTests {
    /// Module to the modules that its arrows lead to.
    private func arrows() throws -> [(from: String, to: [String])] {
        try DocumentTests().lines(of: "docs/architecture.md").compactMap { line in
            guard line.hasPrefix("    "), let arrow = line.range(of: " -> ") else { return nil }
            let names = line[arrow.upperBound...].components(separatedBy: "  ")[0]
            return (
                line[..<arrow.lowerBound].trimmingCharacters(in: .whitespaces),
                names.components(separatedBy: ", ").map { $0.trimmingCharacters(in: .whitespaces) }
            )
        }
    }

    /// The names in the import lines of a module's files.
    private func imports(of module: String) throws -> Set<String> {
        let folder = DocumentTests.root.path + "/Sources/" + module
        var names: Set<String> = []
        let files = try #require(FileManager.default.enumerator(atPath: folder))
        for case let file as String in files where file.hasSuffix(".swift") {
            let text = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ")
                guard let place = words.firstIndex(of: "import"), place < 2,
                    words.count == place + 2
                else { continue }
                names.insert(String(words[place + 1]))
            }
        }
        return names
    }

    @Test("Modules import what their arrows lead to, and nothing else of ours")
    func imports() throws {
        let arrows = try arrows()
        #expect(arrows.count == 15)
        let ours = Set(arrows.flatMap { [$0.from] + $0.to })
        // From below, so that what a module reaches is known when it is needed; a circle is not.
        var reached: [String: Set<String>] = [:]
        for (from, to) in arrows.reversed() {
            for name in to where arrows.contains(where: { $0.from == name }) {
                #expect(reached[name] != nil, "\(from) imports \(name), which stands above it")
            }
            reached[from] = to.reduce(into: Set(to)) { $0.formUnion(reached[$1] ?? []) }
            let found = try imports(of: from)
            #expect(!found.isEmpty, "\(from) has no file")
            let foreign = found.intersection(ours).subtracting(reached[from] ?? [])
            #expect(foreign.isEmpty, "\(from) imports \(foreign.sorted()) without an arrow")
            let unused = Set(to).subtracting(found)
            #expect(unused.isEmpty, "\(from) has arrows to \(unused.sorted()) that it does not use")
        }
    }
}
