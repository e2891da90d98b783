/// The parts of a Label Studio project's labelling interface that masks need.
struct LabelConfig: Equatable {
    /// Where masks go: the name of `BrushLabels`, or `Brush`.
    private(set) var brush = "brush"
    /// The name of the picture that is labelled.
    private(set) var picture = "image"
    /// The key of a task's data that holds the picture.
    private(set) var dataKey = "image"

    /// Reads the tags and their attributes; what is no tag is passed over.
    init(_ text: String) {
        var rest = text[...]
        var hasLabels = false
        while let start = rest.firstIndex(of: "<") {
            rest = rest[rest.index(after: start)...]
            guard let end = rest.firstIndex(of: ">") else { return }
            let tag = rest[..<end]
            rest = rest[rest.index(after: end)...]
            let name = tag.prefix { $0.isLetter }.lowercased()
            let attributes = Self.attributes(of: tag)
            switch name {
            case "image":
                picture = attributes["name"] ?? picture
                if let value = attributes["value"], value.hasPrefix("$") {
                    dataKey = String(value.dropFirst())
                }
            case "brushlabels" where !hasLabels:
                brush = attributes["name"] ?? brush
                hasLabels = true
            case "brush" where !hasLabels:
                brush = attributes["name"] ?? brush
            default: break
            }
        }
    }

    private static func attributes(of tag: Substring) -> [String: String] {
        var attributes: [String: String] = [:]
        var rest = tag
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].split(whereSeparator: \.isWhitespace).last ?? ""
            rest = rest[rest.index(after: equals)...].drop(while: \.isWhitespace)
            guard let quote = rest.first, quote == "\"" || quote == "'" else { break }
            rest = rest.dropFirst()
            guard let end = rest.firstIndex(of: quote) else { break }
            attributes[name.lowercased()] = String(rest[..<end])
            rest = rest[rest.index(after: end)...]
        }
        return attributes
    }
}
