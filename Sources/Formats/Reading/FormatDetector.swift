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
        // Whatever is wrong with it, it is meant to be that: its reader says what.
        if file.opens(with: "{") { return COCOFormat.compressed }
        if file.opens(with: "[") { return DetectionsFormat() }
        if file.opens(with: "<") || file.fileExtension == "xml" { return VOCFormat() }
        if file.fileExtension == "json" { return COCOFormat.compressed }
        throw unknown(
            file.path, found: "a file that begins with \(TextFields.shown(file.head.prefix(24)))")
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
            guard format.name == .labelme else {
                throw FileError.unreadable(
                    path: path,
                    reason: "expected a file, or a folder of LabelMe files; \(first.quoted) in it "
                        + "is \(format.name): name the file itself")
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
        throw unknown(path, found: "a folder without .xml, .json and .txt files")
    }

    private static func unknown(_ path: String, found: String) -> FileError {
        .unreadable(
            path: path,
            reason: "expected annotations in a known format, found \(found); --format says which ("
                + AnnotationFormat.names + ")")
    }
}
