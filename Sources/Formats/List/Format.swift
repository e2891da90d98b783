package import Annotations
import Files

/// A format in which boxes and masks come and go: what it is told by, what reads and what writes it.
///
/// A format is a folder of this module, with a value of this type, and a line in ``Formats/all``.
/// Help texts, error messages, the table in docs/formats.md and the tests come from that list.
protocol Format: Sendable {
    var name: AnnotationFormat { get }
    /// A line for help texts and documents.
    var summary: String { get }
    /// What a file or folder is known by, for documents.
    var toldBy: String { get }

    /// The keys at the top of its JSON or in its records: what a file that is of no format is
    /// compared with.
    var keys: Set<String> { get }
    /// Whether it is a folder with a JSON file an image.
    var hasFileAnImage: Bool { get }

    /// Whether a file is of this format, by what it begins with.
    func recognizes(_ file: FileProbe) -> Bool
    /// Whether a folder is, by the names in it.
    func recognizes(_ folder: FolderProbe) -> Bool

    /// - Throws: ``AnnotationError`` with all problems at once, `FileError`.
    func read(_ source: AnnotationSource) throws -> AnnotationFile

    /// What writes the format; nil for one that is read only.
    var writer: FormatWriter? { get }
    /// Whether masks are drawn into one image, where each pixel belongs to one of them.
    var isLabelMap: Bool { get }
    /// Whether masks become polygons.
    var hasPolygons: Bool { get }
}

extension Format {
    func recognizes(_ file: FileProbe) -> Bool { false }
    func recognizes(_ folder: FolderProbe) -> Bool { false }
    var isLabelMap: Bool { false }
    var hasPolygons: Bool { false }
    var keys: Set<String> { [] }
    var hasFileAnImage: Bool { false }
}

/// How a format is written.
enum FormatWriter: Sendable {
    case file(@Sendable (AnnotationFile, ExportOptions) throws -> any FileWriter)
    case folder(@Sendable (AnnotationFile, ExportOptions) throws -> any ImageWriter)
}

/// A format whose reader finds records, which become a COCO document.
protocol RecordFormat: Format {
    /// Whether categories without ids are numbered in the order of their names.
    var sortsCategories: Bool { get }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws
}

extension RecordFormat {
    var sortsCategories: Bool { true }

    func read(_ source: AnnotationSource) throws -> AnnotationFile {
        var records = ImportedRecords(path: source.path)
        try read(source, into: &records)
        guard records.problems.errorCount == 0 else {
            throw AnnotationError.invalid(records.problems)
        }
        let bytes = try FileBytes(
            records.document(sortsCategories: sortsCategories), path: source.path)
        return try AnnotationFile(
            AnnotationReader(
                path: source.path, bytes: bytes, places: records.places,
                problems: records.problems),
            path: source.path, format: name)
    }
}

extension AnnotationFormat {
    /// All formats, in the order in which they are looked for and shown.
    package static var allCases: [AnnotationFormat] { Formats.all.map(\.name) }

    /// That no format has a name, for messages: the one that was meant, and all that there are.
    ///
    /// - Parameter output: whether only those that mal writes can be meant.
    package static func unknown(_ name: String, output: Bool = false) -> String {
        let near = nearestWord(to: name, among: names(output: output))
        return (near.map { "did you mean \($0)? " } ?? "")
            + "expected one of " + names(output: output).joined(separator: ", ")
    }

    /// Their names.
    package static func names(output: Bool = false) -> [String] {
        allCases.filter { $0.isWritten || !output }.map(\.name)
    }

    /// The format of a name; nil if there is none.
    package init?(named name: String) {
        guard let format = Formats.all.first(where: { $0.name.name == name }) else { return nil }
        self = format.name
    }

    /// What the list says about it.
    var format: any Format {
        // Names are made by the list's formats and by nobody else.
        Formats.all.first { $0.name == self } ?? COCOFormat.compressed
    }

    /// A line for help texts and documents.
    package var summary: String { format.summary }
    /// What a file or folder is known by, for documents.
    package var toldBy: String { format.toldBy }
    /// Whether mal writes it too.
    package var isWritten: Bool { format.writer != nil }
    /// Whether masks are drawn into one image, where each pixel belongs to one of them.
    package var isLabelMap: Bool { format.isLabelMap }
    /// Whether masks become polygons.
    package var hasPolygons: Bool { format.hasPolygons }

    /// Whether the output is a folder rather than a file.
    package var isFolder: Bool {
        if case .folder = format.writer { true } else { false }
    }
}
