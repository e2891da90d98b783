import Annotations
import CJSON
import Files
import Foundation
import Imaging

/// A detector's list of boxes, as COCO's evaluation reads it: `image_id`, `category_id`, `bbox`,
/// `score`. Everything in it is kept. It has no images and no categories: they come from a COCO
/// file (``AnnotationSource/imagesFrom``), else an image is looked for whose name is its id.
enum DetectionReader {
    private static let opening = Array("{\"annotations\":".utf8)

    static func read(_ source: AnnotationSource) throws -> AnnotationFile {
        let list = try FileBytes(path: source.path)
        let rows = try rows(of: list, path: source.path)
        var records = ImportedRecords(path: source.path)
        records.places.unit = "detection"
        let file = records.places.addFile(source.path)
        let tables: [UInt8]
        if let imagesFrom = source.imagesFrom {
            tables = try self.tables(
                of: AnnotationSource(
                    path: imagesFrom, imagesDirectory: source.imagesDirectory,
                    appliesEXIF: source.appliesEXIF))
        } else {
            tables = try self.tables(rows, source, file, &records)
        }
        guard records.problems.errorCount == 0 else {
            throw AnnotationError.invalid(records.problems)
        }
        var places = ImportPlaces()
        places.unit = "detection"
        _ = places.addFile(source.path)
        var document = Array("{".utf8) + tables + Array("\"annotations\": [".utf8)
        document.reserveCapacity(document.count + list.count + rows.count * 16)
        list.withBytes { content in
            for (index, row) in rows.enumerated() {
                if index > 0 { document += Array(",\n".utf8) }
                document.append(UInt8(ascii: "{"))
                if !row.hasID { document += Array("\"id\": \(index + 1), ".utf8) }
                document += content[row.range.dropFirst()]
                places.annotations.append(
                    ImportPlaces.Place(file: 0, number: Int32(clamping: index + 1)))
            }
        }
        document += Array("]}\n".utf8)
        let naming = ImageNaming(finder: source.finder)
        return try AnnotationFile(
            AnnotationReader(
                path: source.path, bytes: FileBytes(document, path: source.path), naming: naming,
                places: places, problems: records.problems),
            path: source.path, format: .detections)
    }

    // MARK: The list

    private struct Row {
        /// Braces included.
        let range: Range<Int>
        let hasID: Bool
        let image, category: RecordID?
    }

    private static func rows(of list: FileBytes, path: String) throws -> [Row] {
        let isList = list.withBytes { content in
            var scanner = JSONScanner(content, 0..<content.count)
            return scanner.peek() == UInt8(ascii: "[")
        }
        guard isList else {
            throw FileError.unreadable(path: path, reason: "expected a JSON list of detections")
        }
        // The table reader wants an object at the top.
        let wrapped = try FileBytes(
            opening + list.withBytes { Array($0) } + [UInt8(ascii: "}")], path: path)
        var rows: [Row] = []
        var count = 0
        var problems = ProblemList(file: path)
        let visitor = JSONTableVisitor(
            onTable: { _, _, _ in },
            onRow: { _, row, columns in
                count += 1
                guard let columns else {
                    let place = "\(path) detection \(count)"
                    problems.add(
                        .error, at: place, .file,
                        expected: "an object", found: wrapped.snippet(row))
                    return
                }
                let range = Int(row.begin) - opening.count..<Int(row.end) - opening.count
                rows.append(
                    Row(
                        range: range, hasID: columns[0].kind != UInt8(CJ_MISSING.rawValue),
                        image: wrapped.recordID(columns[1]),
                        category: wrapped.recordID(columns[2])))
            })
        let table = JSONTable(key: "annotations", columns: ["id", "image_id", "category_id"])
        do {
            _ = try wrapped.readTables([table], path: path, visitor: visitor)
        } catch {
            guard case AnnotationError.syntax(_, let line, let column, let message) = error else {
                throw error
            }
            throw AnnotationError.syntax(
                path: path, line: line, column: line == 1 ? column - opening.count : column,
                message: message)
        }
        guard problems.errorCount == 0 else { throw AnnotationError.invalid(problems) }
        return rows
    }

    // MARK: Images and categories

    /// `images` and `categories` of a data set, as they are.
    private static func tables(of source: AnnotationSource) throws -> [UInt8] {
        let file = try AnnotationFile.read(source)
        guard file.format != .detections else {
            throw FileError.unreadable(
                path: source.path, reason: "expected a file with images, found a list of detections"
            )
        }
        return file.bytes.withBytes { content in
            var scanner = JSONScanner(content, 0..<content.count)
            let text = scanner
            var output: [UInt8] = []
            scanner.members { key, value in
                guard let name = text.text(key), name == "images" || name == "categories" else {
                    return
                }
                output += content[key]
                output += Array(": ".utf8)
                output += content[value]
                output += Array(",\n".utf8)
            }
            return output
        }
    }

    /// Images by their names in the images folder, and categories called by their ids.
    private static func tables(
        _ rows: [Row], _ source: AnnotationSource, _ file: Int32, _ records: inout ImportedRecords
    ) throws -> [UInt8] {
        guard let folder = source.imagesDirectory else {
            throw FileError.unreadable(
                path: source.path,
                reason: "a list of detections names images by id only: --images-from FILE says "
                    + "which COCO file has them, or the images folder has one of that name for each"
            )
        }
        let images = try ImageFolder(folder, appliesEXIF: source.appliesEXIF)
        var names: [RecordID: [String]] = [:]
        for stem in images.stems {
            for id in ids(ofStem: stem) { names[id, default: []] += images.images(named: stem) }
        }
        var output = Array("\"images\": [".utf8)
        var seen: Set<RecordID> = []
        for (index, row) in rows.enumerated() {
            guard let id = row.image, seen.insert(id).inserted else { continue }
            let found = (names[id] ?? [])
            guard found.count == 1 else {
                let place = ImportPlaces.Place(file: file, number: Int32(clamping: index + 1))
                records.error(
                    place, field: "image_id",
                    expected: "the name of one image in \(folder) (or --images-from FILE)",
                    found: found.isEmpty
                        ? "\(id)" : "\(id), which is " + found.sorted().joined(separator: ", "))
                continue
            }
            if seen.count > 1, output.last != UInt8(ascii: "[") { output += Array(",\n".utf8) }
            output += Array("{\"id\": ".utf8) + id.json + Array(", \"file_name\": ".utf8)
            output += PythonJSON.string(found[0])
            if let size = try? images.size(of: found[0]) {
                output += Array(", \"width\": \(size.width), \"height\": \(size.height)".utf8)
            }
            output.append(UInt8(ascii: "}"))
        }
        output += Array("],\n\"categories\": [".utf8)
        let categories = Set(rows.compactMap(\.category)).sorted { Self.precedes($0, $1) }
        for (place, id) in categories.enumerated() {
            output += Array((place > 0 ? ",\n{\"id\": " : "{\"id\": ").utf8) + id.json
            let name: String =
                switch id {
                case .text(let text): text
                default: "\(id)"
                }
            output += Array(", \"name\": ".utf8) + PythonJSON.string(name) + [UInt8(ascii: "}")]
        }
        return output + Array("],\n".utf8)
    }

    /// `000000000139`, `COCO_val2014_000000000139` and `sub/139` are 139, and their own names.
    private static func ids(ofStem stem: String) -> Set<RecordID> {
        let name = stem.split(separator: "/").last.map(String.init) ?? stem
        var ids: Set<RecordID> = [.text(stem), .text(name)]
        let digits = name.utf8.reversed().prefix { (0x30...0x39).contains($0) }.count
        let start = name.utf8.count - digits
        let isWhole = start == 0 || name.utf8.dropFirst(start - 1).first == UInt8(ascii: "_")
        if digits > 0, isWhole, let number = Int64(name.suffix(digits)) {
            ids.insert(.integer(number))
        }
        return ids
    }

    private static func precedes(_ a: RecordID, _ b: RecordID) -> Bool {
        switch (a, b) {
        case (.integer(let a), .integer(let b)): a < b
        case (.integer, _): true
        case (_, .integer): false
        default: "\(a)" < "\(b)"
        }
    }
}
