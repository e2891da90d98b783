/// How the tensors of a file differ from the parameters a network has.
public struct ParameterMismatch: Equatable, Sendable, CustomStringConvertible {
    /// A tensor that is there under the right name with the wrong shape.
    public struct Misshaped: Equatable, Sendable {
        public let name: String
        public let expected: [Int]
        public let found: [Int]

        public init(name: String, expected: [Int], found: [Int]) {
            self.name = name
            self.expected = expected
            self.found = found
        }
    }

    /// Parameters without a tensor.
    public var missing: [String]
    /// Tensors without a parameter.
    public var unexpected: [String]
    public var misshaped: [Misshaped]

    public init(missing: [String] = [], unexpected: [String] = [], misshaped: [Misshaped] = []) {
        self.missing = missing
        self.unexpected = unexpected
        self.misshaped = misshaped
    }

    public var isEmpty: Bool { missing.isEmpty && unexpected.isEmpty && misshaped.isEmpty }

    /// All problems, at most a dozen of each kind by name.
    public var description: String {
        var lines = ["the tensors do not fit the network"]
        lines += Self.list("missing", missing)
        lines += Self.list("unexpected", unexpected)
        lines += Self.list(
            "wrong shape",
            misshaped.map { "\($0.name) (expected \($0.expected), found \($0.found))" })
        return lines.joined(separator: "\n")
    }

    private static func list(_ title: String, _ names: [String]) -> [String] {
        guard !names.isEmpty else { return [] }
        let shown = names.prefix(12).joined(separator: ", ")
        let more = names.count > 12 ? ", and \(names.count - 12) more" : ""
        return ["  \(title) (\(names.count)): \(shown)\(more)"]
    }
}
