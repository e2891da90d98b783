import Annotations
import Files
import Foundation
import Imaging

/// Open Images. Boxes are shares of the sides of the image, which the images folder tells. Masks are
/// PNG files beside the table or in a folder there; one of another size than its image is stretched.
struct OpenImagesReader {
    private let source: AnnotationSource

    /// Columns that a record keeps, under their names.
    private static let flags = [
        "IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside",
    ]
    private static let corners = ["XMin", "XMax", "YMin", "YMax"]
    private static let classFiles = [
        "class-descriptions-boxable.csv", "oidv7-class-descriptions-boxable.csv",
        "class-descriptions.csv", "oidv7-class-descriptions.csv",
    ]
    private static let byteLimit = 4 << 30

    init(_ source: AnnotationSource) {
        self.source = source
    }

    func read(into records: inout ImportedRecords) throws {
        let file = records.places.addFile(source.path)
        let text = try FileBytes.text(path: source.path, kind: "table", limit: Self.byteLimit)
        var table = CSVTable(text, delimiter: UInt8(ascii: ","))
        let names = try classNames()
        var columns: [String: Int]?
        var sizes: [String: (name: String, size: Size?)] = [:]
        var isDone = false
        while !isDone {
            do throws(CSVTable.Fault) {
                guard let row = try table.next() else { break }
                let place = ImportPlaces.Place(file: file, number: Int32(clamping: row.line))
                guard let columns else {
                    let header = row.fields.map { String(decoding: $0, as: UTF8.self) }
                    columns = Dictionary(
                        zip(header, header.indices), uniquingKeysWith: { first, _ in first })
                    continue
                }
                add(Row(row.fields, columns), names, &sizes, at: place, to: &records)
            } catch {
                records.error(
                    ImportPlaces.Place(file: file, number: Int32(clamping: error.line)),
                    expected: error.expected, found: error.found)
                isDone = columns == nil
            }
        }
    }

    /// The fields of a line by the names of their columns.
    private struct Row {
        private let fields: [[UInt8]]
        private let columns: [String: Int]

        init(_ fields: [[UInt8]], _ columns: [String: Int]) {
            self.fields = fields
            self.columns = columns
        }

        func text(_ name: String) -> String? {
            guard let place = columns[name], place < fields.count, !fields[place].isEmpty else {
                return nil
            }
            return String(validating: fields[place], as: UTF8.self)
        }

        func number(_ name: String) -> Double? {
            text(name).flatMap { TextFields.number($0.utf8) }
        }
    }

    /// What the machine names of classes stand for, if the table of them lies beside.
    private func classNames() throws -> [String: String] {
        let folder = LabelFiles.split(source.path).folder
        let paths = Self.classFiles.map { LabelFiles.join(folder, $0) }
        guard let path = paths.first(where: FolderListing.isFile) else { return [:] }
        let text = try FileBytes.text(path: path, kind: "table", limit: Self.byteLimit)
        var table = CSVTable(text, delimiter: UInt8(ascii: ","))
        var names: [String: String] = [:]
        do throws(CSVTable.Fault) {
            while let row = try table.next() {
                guard row.fields.count >= 2 else { continue }
                names[String(decoding: row.fields[0], as: UTF8.self)] = String(
                    decoding: row.fields[1], as: UTF8.self)
            }
        } catch {
            throw FileError.unreadable(
                path: "\(path) line \(error.line)",
                reason: "expected \(error.expected), found \(error.found)")
        }
        return names
    }

    private func add(
        _ row: Row, _ names: [String: String],
        _ images: inout [String: (name: String, size: Size?)], at place: ImportPlaces.Place,
        to records: inout ImportedRecords
    ) {
        guard let id = row.text("ImageID"), ImageRecord.fault(in: id) == nil else {
            return records.error(
                place, field: "ImageID", expected: "an image's id",
                found: row.text("ImageID")?.quoted ?? "nothing")
        }
        guard let label = row.text("LabelName") else {
            return records.error(
                place, field: "LabelName", expected: "a class", found: "nothing")
        }
        var image: (name: String, size: Size?)
        if let known = images[id] {
            image = known
        } else {
            image = source.image(among: [id + ".jpg", id + ".png", id + ".jpeg"])
        }
        let category = records.category(names[label] ?? label)
        if let path = row.text("MaskPath") {
            let mask: RLE
            do throws(ImageError) {
                let pixels = try ImageCodec.decodeMask(path: maskFile(path, of: id))
                image.size = image.size ?? pixels.size
                mask = RLE(pixels.stretched(to: image.size ?? pixels.size))
            } catch {
                return records.error(
                    place, field: "MaskPath", expected: "a PNG of a mask",
                    found: error.description)
            }
            let number = records.image(image.name, size: image.size, at: place)
            var record = ImportedRecords.Annotation(image: number, category: category, mask: mask)
            if let box = row.text("BoxID") { record.members.add("box_id", text: box) }
            if let iou = row.number("PredictedIoU") {
                record.members.add("predicted_iou", number: iou)
            }
            records.add(record, at: place)
        } else {
            guard let size = image.size else {
                return records.error(
                    place, field: "ImageID",
                    expected: "an image that tells the sides that boxes are shares of (--images)",
                    found: "no " + image.name.quoted)
            }
            let shares = Self.corners.compactMap(row.number)
            guard shares.count == 4 else {
                return records.error(
                    place, field: Self.corners.joined(separator: ", "),
                    expected: "finite numbers",
                    found: Self.corners.map { row.text($0) ?? "nothing" }.joined(separator: ", ")
                        .quoted)
            }
            let number = records.image(image.name, size: size, at: place)
            let (width, height) = (Double(size.width), Double(size.height))
            // Shares have six or seven digits; a millionth of a pixel is noise.
            func side(_ value: Double) -> Double { (value * 1e6).rounded() / 1e6 }
            let (left, top) = (side(shares[0] * width), side(shares[2] * height))
            var record = ImportedRecords.Annotation(
                image: number, category: category, x: left, y: top,
                width: side(shares[1] * width - left), height: side(shares[3] * height - top))
            for flag in Self.flags {
                if let value = row.number(flag).flatMap(Int.init(exactly:)) {
                    record.members.add(flag, integer: value)
                }
            }
            if let score = row.number("Confidence") { record.members.add("score", number: score) }
            record.isCrowd = row.number("IsGroupOf") == 1
            records.add(record, at: place)
        }
        images[id] = image
    }

    /// Beside the table, or in a folder that the archives unpack to or datumaro makes.
    private func maskFile(_ name: String, of id: String) -> String {
        let (folder, tables) = LabelFiles.split(source.path)
        guard ImageRecord.fault(in: name) == nil else { return name }
        let first = id.prefix(1)
        let part = tables[0].prefix { $0 != "-" }
        let places = [
            "", "masks/", "train-masks-\(first)/", "validation-masks-\(first)/",
            "test-masks-\(first)/", "../masks/\(part)/",
        ]
        let paths = places.map { LabelFiles.join(folder, $0 + name) }
        return paths.first(where: FolderListing.isFile) ?? paths[0]
    }
}

extension Mask {
    /// Each pixel is the nearest one's.
    fileprivate func stretched(to target: Size) -> Mask {
        // An image of more pixels is refused with its mask, which then has another size.
        guard target != size, size.width > 0, size.height > 0, let count = target.pixelCount,
            count <= 200_000_000
        else { return self }
        var pixels = [UInt8](repeating: 0, count: count)
        for row in 0..<target.height {
            let from = (2 * row + 1) * size.height / (2 * target.height) * size.width
            for column in 0..<target.width {
                let place = (2 * column + 1) * size.width / (2 * target.width)
                pixels[row * target.width + column] = self.pixels[from + place]
            }
        }
        return Mask(size: target, pixels: pixels)
    }
}
