/// Every key and section there is, in the order of documentation. The reader fills it while it
/// reads.
struct SpecLayout: Sendable {
    struct Section: Sendable {
        let name: String
        let summary: String
    }

    var keys: [SpecKey] = []
    var sections: [Section] = []

    static let standard: SpecLayout = {
        let reader = SpecReader()
        _ = Spec(reader)
        precondition(
            Set(reader.layout.keys.map(\.name)).count == reader.layout.keys.count,
            "two keys have the same name")
        return reader.layout
    }()
}

/// A value that an option of a command sets. It goes over the file and over the overrides, and its
/// text is taken as it is: no quotes, no interpolation.
public struct SpecSetting: Equatable, Sendable {
    /// What messages call it: `--batch-size`.
    public let source: String
    /// Dotted. Must be a key that exists.
    public let key: String
    public let value: SpecKey.Default

    public init(_ source: String, _ key: String, _ value: SpecKey.Default) {
        self.source = source
        self.key = key
        self.value = value
    }
}
