import Annotations
import Files
import Foundation
import Yams

/// The class names of a YOLO data set: of a `data.yaml`, or of a list with a name a line.
struct YOLOClasses {
    /// The file that holds them, for messages.
    let path: String
    let names: [String]
    /// `path`, and what `train`, `val` and `test` name.
    private(set) var root: String?
    private(set) var splits: [(key: String, path: String)] = []
    /// `kpt_shape`: how many points an object has, and how many numbers a point.
    private(set) var keypoints: (count: Int, size: Int)?

    /// More are refused, in files and as class numbers.
    static let limit = 65_536
    private static let byteLimit = 1 << 20
    /// Yams expands aliases while it composes: few can't grow far.
    private static let aliasLimit = 24
    private static let usualYAML = ["data.yaml", "dataset.yaml", "data.yml", "dataset.yml"]
    private static let usualLists = ["classes.txt", "obj.names"]

    private init(path: String, names: [String]) {
        self.path = path
        self.names = names
    }

    /// A YAML file in a folder that lists classes.
    static func yamlFile(in folder: String) -> String? {
        let usual = usualYAML.map { folder + "/" + $0 }.first(where: FolderListing.isFile)
        if let usual { return usual }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { ["yaml", "yml"].contains(FolderListing.fileExtension(of: $0)) }
            .sorted().map { folder + "/" + $0 }
            .first { (try? YOLOClasses(yaml: $0)) != nil }
    }

    /// What a folder, or one of the three above it, says about classes.
    static func nearest(to folder: String) throws -> YOLOClasses? {
        var url = URL(fileURLWithPath: folder).standardizedFileURL
        if let yaml = yamlFile(in: url.path) { return try YOLOClasses(yaml: yaml) }
        for _ in 0..<4 {
            for name in usualYAML where FolderListing.isFile(url.path + "/" + name) {
                return try YOLOClasses(yaml: url.path + "/" + name)
            }
            for name in usualLists where FolderListing.isFile(url.path + "/" + name) {
                return try YOLOClasses(list: url.path + "/" + name)
            }
            guard url.path != "/" else { break }
            url.deleteLastPathComponent()
        }
        return nil
    }

    init(list path: String) throws {
        let text = try FileBytes.text(path: path, kind: "list of classes", limit: Self.byteLimit)
        guard let content = String(validating: text, as: UTF8.self) else {
            throw Self.problem(path, expected: "a class name a line in UTF-8", found: "other bytes")
        }
        let names = content.split(whereSeparator: \.isNewline).map {
            $0.trimmingCharacters(in: .whitespaces)
        }.filter { !$0.isEmpty }
        try self.init(path: path, checked: names)
    }

    /// - Throws: ``AnnotationError`` when the file has no list or table `names`.
    init(yaml path: String) throws {
        let text = try FileBytes.text(path: path, kind: "YAML file", limit: Self.byteLimit)
        guard let content = String(validating: text, as: UTF8.self) else {
            throw Self.problem(path, expected: "YAML in UTF-8", found: "other bytes")
        }
        guard text.count(where: { $0 == UInt8(ascii: "*") }) <= Self.aliasLimit else {
            throw Self.problem(
                path, expected: "at most \(Self.aliasLimit) asterisks (aliases)", found: "more")
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: content)
        } catch let YamlError.scanner(_, what, mark, _), let YamlError.parser(_, what, mark, _) {
            throw Self.problem(
                path, line: mark.line, expected: "YAML",
                found: what.hasPrefix("found ") ? String(what.dropFirst(6)) : what)
        } catch {
            throw Self.problem(path, expected: "YAML", found: "\(error)".quoted)
        }
        guard let names = root?.mapping?["names"] else {
            throw Self.problem(path, field: "names", expected: "class names", found: "nothing")
        }
        try self.init(path: path, checked: Self.list(names, path))
        if let value = root?.mapping?["path"]?.string { self.root = value }
        for key in ["train", "val", "test"] {
            guard let node = root?.mapping?[key] else { continue }
            let paths = node.sequence.map { $0.compactMap(\.string) } ?? [node.string ?? ""]
            splits += paths.filter { !$0.isEmpty }.map { (key, $0) }
        }
        if let shape = root?.mapping?["kpt_shape"]?.sequence?.compactMap(\.int) {
            guard shape.count == 2, (1...1000).contains(shape[0]), (2...3).contains(shape[1]) else {
                throw Self.problem(
                    path, field: "kpt_shape", expected: "[points, 2 or 3]", found: "\(shape)")
            }
            keypoints = (shape[0], shape[1])
        }
        if let count = root?.mapping?["nc"], count.int != self.names.count {
            throw Self.problem(
                path, line: count.mark?.line, field: "nc",
                expected: "the number of names, \(self.names.count)",
                found: (count.scalar?.string ?? "a list").quoted)
        }
    }

    private init(path: String, checked names: [String]) throws {
        var places: [String: Int] = [:]
        for (place, name) in names.enumerated() {
            if let other = places.updateValue(place, forKey: name) {
                throw Self.problem(
                    path, field: "names", expected: "each name once",
                    found: "\(name.quoted) for the classes \(other) and \(place)")
            }
        }
        self.init(path: path, names: names)
    }

    /// `[a, b]`, or `{0: a, 1: b}`; a class that is left out is called by its number.
    private static func list(_ node: Node, _ path: String) throws -> [String] {
        func name(_ node: Node, _ place: Int) throws -> String {
            guard let text = node.scalar?.string, !text.isEmpty else {
                throw problem(
                    path, line: node.mark?.line, field: "names[\(place)]", expected: "a name",
                    found: node.scalar == nil ? "a list or table" : "nothing")
            }
            return text
        }
        func tooMany(_ found: String) -> AnnotationError {
            problem(
                path, line: node.mark?.line, field: "names",
                expected: "at most \(limit) classes", found: found)
        }
        switch node {
        case .sequence(let sequence):
            guard sequence.count <= limit else { throw tooMany("\(sequence.count)") }
            var names: [String] = []
            for (place, node) in sequence.enumerated() { names.append(try name(node, place)) }
            return names
        case .mapping(let mapping):
            var byNumber: [Int: String] = [:]
            for (key, value) in mapping {
                guard let number = key.int, number >= 0 else {
                    throw problem(
                        path, line: key.mark?.line, field: "names", expected: "class numbers",
                        found: (key.scalar?.string ?? "a list").quoted)
                }
                guard number < limit else { throw tooMany("the class \(number)") }
                byNumber[number] = try name(value, number)
            }
            return (0..<((byNumber.keys.max() ?? -1) + 1)).map { byNumber[$0] ?? "\($0)" }
        default:
            throw problem(
                path, line: node.mark?.line, field: "names", expected: "a list or table of names",
                found: (node.scalar?.string ?? "nothing").quoted)
        }
    }

    private static func problem(
        _ path: String, line: Int? = nil, field: String? = nil, expected: String, found: String
    ) -> AnnotationError {
        .problem(
            Problem(
                .error, file: line.map { "\(path) line \($0)" } ?? path, .file, field: field,
                expected: expected, found: found))
    }
}
