import Annotations
import Files
import Foundation

/// Tells a format by what a file begins with, and by the layout of a folder.
enum FormatDetector {
    private static let headSize = 64 << 10

    static func format(of path: String) throws -> AnnotationFormat {
        FolderListing.isFolder(path) ? try folderFormat(path) : try fileFormat(path)
    }

    // MARK: Files

    private static func fileFormat(_ path: String) throws -> AnnotationFormat {
        var head = try head(of: path)
        if head.starts(with: [0xEF, 0xBB, 0xBF]) { head.removeFirst(3) }
        let kind = FolderListing.fileExtension(of: path)
        switch head.first(where: { $0 > 0x20 }) {
        case UInt8(ascii: "{"): return try objectFormat(head, path: path)
        case UInt8(ascii: "["): return .detections
        case UInt8(ascii: "<"): return .voc
        default: break
        }
        switch kind {
        case "yaml", "yml": return .yolo
        case "csv", "tsv": return .csv
        // Whatever is wrong with it, it is meant to be JSON or XML.
        case "json": return .coco
        case "xml": return .voc
        default: break
        }
        if let format = textFormat(head) { return format }
        throw unknown(path, found: "a file that begins with \(TextFields.shown(head.prefix(24)))")
    }

    private static func head(of path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            throw FileError.unreadable(
                path: path, reason: String(cString: strerror(errno)).lowercased())
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw FileError.unreadable(
                path: path, reason: "expected a file, found a device or pipe")
        }
        guard status.st_size > 0 else {
            throw FileError.unreadable(path: path, reason: "the file is empty")
        }
        var head = [UInt8](repeating: 0, count: headSize)
        let count = read(file, &head, headSize)
        return Array(head.prefix(max(count, 0)))
    }

    /// By the first top-level key that only one format has. Most files have one in their first
    /// bytes; of the others the whole is looked through.
    private static func objectFormat(
        _ head: [UInt8], path: String
    ) throws -> AnnotationFormat {
        if let format = head.withUnsafeBufferPointer(decidingKey) { return format }
        if head.count < headSize { return .coco }
        return try FileBytes(path: path).withBytes(decidingKey) ?? .coco
    }

    private static func decidingKey(_ bytes: UnsafeBufferPointer<UInt8>) -> AnnotationFormat? {
        var scanner = JSONScanner(bytes, 0..<bytes.count)
        guard scanner.take("{") else { return nil }
        while scanner.peek() == UInt8(ascii: "\"") {
            let key = scanner.string()
            switch scanner.text(key) {
            case "images": return .coco
            case "videos": return .ytvis
            case "shapes", "imagePath", "imageData": return .labelme
            default: break
            }
            guard scanner.take(":") else { return nil }
            _ = scanner.value()
            guard scanner.take(",") else { return nil }
        }
        return nil
    }

    /// KITTI begins with a name and has 15 or 16 fields, KITTI MOTS with whole numbers of which the
    /// second is above 1000, YOLO has numbers only; a table has a header with the columns of boxes.
    private static func textFormat(_ head: [UInt8]) -> AnnotationFormat? {
        guard let line = head.split(separator: UInt8(ascii: "\n")).first else { return nil }
        let fields = TextFields.fields(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
        guard let first = fields.first else { return nil }
        let numbers = fields.dropFirst().prefix(24).allSatisfy { TextFields.number($0) != nil }
        if numbers, TextFields.number(first) == nil, (15...17).contains(fields.count) {
            return .kitti
        }
        if MOTSLine.canBegin(fields) { return .motsText }
        if numbers, TextFields.number(first) != nil, fields.count >= 5 { return .yolo }
        return CSVColumns.isHeader(line) ? .csv : nil
    }

    // MARK: Folders

    private static func folderFormat(_ path: String) throws -> AnnotationFormat {
        if let format = layout(of: path) { return format }
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
        if !xml.isEmpty { return .voc }
        if let first = json.first {
            let format = try fileFormat(path + "/" + first)
            guard format == .labelme else {
                throw FileError.unreadable(
                    path: path,
                    reason: "expected a file, or a folder of LabelMe files; \(first.quoted) in it "
                        + "is \(format.rawValue): name the file itself")
            }
            return .labelme
        }
        for file in text {
            guard let head = try? head(of: path + "/" + file) else { continue }
            if let format = textFormat(head), format != .csv { return format }
            throw unknown(path + "/" + file, found: "\(TextFields.shown(head.prefix(24)))")
        }
        if !text.isEmpty { return .yolo }
        throw unknown(path, found: "a folder without .xml, .json and .txt files")
    }

    /// What the names in a folder give away. A copy of Pascal VOC has boxes for all of its images and
    /// masks for some, so boxes come first.
    private static func layout(of path: String) -> AnnotationFormat? {
        func has(_ folder: String) -> Bool {
            FolderListing.isFolder(LabelFiles.join(path, folder))
        }
        func hasFile(_ name: String) -> Bool {
            FolderListing.isFile(LabelFiles.join(path, name))
        }
        if KITTIReader.labelFolder(path) != nil { return .kitti }
        if VOCReader.annotationFolder(path) != nil { return .voc }
        if YOLOClasses.yamlFile(in: path) != nil { return .yolo }
        if has(VOCMaskReader.objectFolder) { return .vocPNG }
        if has(MOTSReader.imageFolder) { return .motsPNG }
        if has(MOTSReader.textFolder) { return .motsText }
        if has(InstancePNGReader.maskFolder), hasFile(InstancePNGReader.fileName) { return .png }
        return hasFile(CategoryLegend.fileName) ? .semantic : nil
    }

    private static func unknown(_ path: String, found: String) -> FileError {
        .unreadable(
            path: path,
            reason: "expected annotations in a known format, found \(found); --format says which ("
                + AnnotationFormat.allCases.map(\.rawValue).joined(separator: ", ") + ")")
    }
}
