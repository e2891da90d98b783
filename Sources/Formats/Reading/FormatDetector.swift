import Annotations
import Files

/// Tells a format by what a file begins with, and by the layout of a folder.
enum FormatDetector {
    static func format(of path: String) throws -> any Format {
        FolderListing.isFolder(path)
            ? try folderFormat(path) : try fileFormat(FileProbe(path: path))
    }

    private static func fileFormat(_ file: FileProbe) throws -> any Format {
        if let format = Formats.all.first(where: { $0.recognizes(file) }) { return format }
        if let file = try file.complete(),
            let format = Formats.all.first(where: { $0.recognizes(file) })
        {
            return format
        }
        if file.opens(with: "<") || file.fileExtension == "xml" { return try xmlFormat(file) }
        if file.opens(with: "{") || file.opens(with: "[") || file.fileExtension == "json" {
            return try jsonFormat(file)
        }
        throw unknown(
            file.path, found: "a file that begins with \(TextFields.shown(file.head.prefix(24)))")
    }

    /// What a JSON file that is of no format is meant to be: its reader says what is wrong with it.
    ///
    /// - Throws: `FileError` that names the closest formats where several, or none, come near.
    private static func jsonFormat(_ file: FileProbe) throws -> any Format {
        let meant: any Format =
            file.opens(with: "[") ? DetectionsFormat() : COCOFormat.compressed
        if file.keys.isEmpty { return meant }
        // A file that is broken is no other format.
        _ = try JSONDocument(path: file.path)
        let closest = closest(to: file.keys)
        if closest.count == 1, closest[0].name == meant.name { return meant }
        let keys = file.keys.sorted().prefix(8).map(\.quoted).joined(separator: ", ")
        let kind = file.opens(with: "[") ? "a JSON list whose records have" : "JSON with the keys"
        throw unknown(file.path, found: "\(kind) \(keys)", closest: closest)
    }

    private static func xmlFormat(_ file: FileProbe) throws -> any Format {
        guard let root = file.rootElement else { return VOCFormat() }
        throw unknown(
            file.path, found: "XML whose root is <\(root.prefix(60))>",
            closest: [CVATFormat(), VOCFormat()])
    }

    /// The formats that share the most keys with a file, most known first; none if none shares any.
    private static func closest(to keys: Set<String>) -> [any Format] {
        var formats: [any Format] = []
        var most = 1
        for format in Formats.all {
            let count = format.keys.intersection(keys).count
            if count < most || formats.contains(where: { $0.keys == format.keys }) { continue }
            if count > most { formats = [] }
            most = count
            formats.append(format)
        }
        return formats
    }

    private static func folderFormat(_ path: String) throws -> any Format {
        let folder = FolderProbe(path: path)
        if let format = Formats.all.first(where: { $0.recognizes(folder) }) { return format }
        let listing = try FolderListing(path)
        let xml = listing.files(withExtensions: ["xml"])
        let json = listing.files(withExtensions: ["json"])
        let text = listing.files(withExtensions: ["txt"]).filter(YOLOReader.isLabelFile)
        let kinds = [("xml", xml), ("json", json), ("txt", text)].filter { !$0.1.isEmpty }
        let labels = listing.files(withExtensions: ["png"]).count
        if kinds.isEmpty, labels > 0 {
            throw unknown(
                path, found: "a folder of \(labels) .png without \(CategoryLegend.fileName)")
        }
        guard kinds.count <= 1 else {
            let counts = kinds.map { "\($0.1.count) .\($0.0)" }.joined(separator: ", ")
            throw unknown(path, found: "a folder with \(counts)")
        }
        if !xml.isEmpty { return VOCFormat() }
        if let first = json.first {
            let format = try fileFormat(FileProbe(path: path + "/" + first))
            guard format.hasFileAnImage else {
                throw FileError.unreadable(
                    path: path,
                    reason: "expected a file, or a folder of LabelMe's or Supervisely's files; "
                        + "\(first.quoted) in it is \(format.name): name the file itself")
            }
            return format
        }
        for name in text {
            guard let file = try? FileProbe(path: path + "/" + name) else { continue }
            if let format = Formats.all.first(where: { $0.recognizes(file) }), format.name != .csv {
                return format
            }
            throw unknown(file.path, found: "\(TextFields.shown(file.head.prefix(24)))")
        }
        if !text.isEmpty { return YOLOFormat.boxes }
        throw unknown(
            path, found: "a folder without .xml, .json and .txt files: name the file with the boxes"
        )
    }

    private static func unknown(
        _ path: String, found: String, closest: [any Format] = []
    ) -> FileError {
        let near = closest.map { "\($0.name) (told by \($0.toldBy))" }
        return .unreadable(
            path: path,
            reason: "expected annotations in a known format, found \(found)"
                + (near.isEmpty ? "" : "; closest: " + near.joined(separator: ", "))
                + "; --format says which (" + AnnotationFormat.names().joined(separator: ", ") + ")"
        )
    }
}
