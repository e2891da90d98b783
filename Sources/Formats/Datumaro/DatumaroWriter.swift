import Annotations
import Files
import Imaging

/// Datumaro's `annotations/default.json`: masks of one polygon as polygons where
/// Datumaro draws the same pixels, others as run lengths.
struct DatumaroWriter: ImageWriter {
    let traits: FormatTraits = [.masks, .boxes, .scores, .crowds]
    let keptKeys: Set<String>? = ["occluded", "z_order", "group_id", "attributes"]
    let imagesFolder: String? = "images/default"
    private let file: AnnotationFile
    private var text = TextBuffer()
    private var isFirst = true

    private static let fileName = DatumaroReader.folderName + "/default.json"

    init(_ file: AnnotationFile, options: ExportOptions) {
        self.file = file
        text.append("{\"dm_format_version\": \"1.0\", \"media_type\": 2, \"infos\": {}, ")
        text.append("\"categories\": {\"label\": {\"labels\": [")
        for (place, name) in CategoryNumbers(file).names.enumerated() {
            text.append(place > 0 ? ", {\"name\": " : "{\"name\": ")
            text.append(json: name)
            text.append(", \"parent\": \"\", \"attributes\": []}")
        }
        text.append("], \"label_groups\": [], \"attributes\": []}}, \"items\": [")
    }

    var tables: [String] { [Self.fileName] }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { [] }

    mutating func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        text.append(isFirst ? "\n{\"id\": " : ",\n{\"id\": ")
        isFirst = false
        text.append(json: image.stem)
        text.append(", \"annotations\": [")
        var separator = "\n "
        for (number, instance) in image.instances.enumerated() {
            if instance.mask?.area == 0 {
                report.add(.emptyMask)
                continue
            }
            text.append(separator)
            separator = ",\n "
            append(instance, number: number)
            report.writtenCount += 1
        }
        text.append("], \"attr\": {")
        // As Datumaro keeps the ids of COCO's images.
        if case .integer(let id) = image.record.id { text.append("\"id\": \(id)") }
        text.append("}, \"image\": {\"path\": ")
        text.append(json: image.record.fileName)
        text.append(", \"size\": [\(image.size.height), \(image.size.width)]}}")
        if text.bytes.count > 1 << 20 { try flush(into: &folder) }
    }

    mutating func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        text.append("]}\n")
        try flush(into: &folder)
    }

    /// Whether a polygon is the same mask with the 32 bits that Datumaro has for a number.
    private static func isKept(_ polygon: [Double], _ mask: RLE) -> Bool {
        let rounded = polygon.map { Double(Float($0)) }
        return (try? RLE(polygon: rounded, size: mask.size)) == mask
    }

    private mutating func flush(into folder: inout OutputFolder) throws {
        try folder.append(text.bytes, to: Self.fileName)
        text.bytes.removeAll(keepingCapacity: true)
    }

    private mutating func append(_ instance: ExportInstance, number: Int) {
        let details = RecordDetails(instance.record, in: file)
        var id = Int64(number)
        if case .integer(let own) = instance.record.id { id = own }
        text.append("{\"id\": \(id), \"type\": ")
        if let mask = instance.mask {
            if let polygons = instance.polygons, polygons.count == 1,
                Self.isKept(polygons[0], mask)
            {
                text.append("\"polygon\", \"points\": ")
                text.append(list: polygons[0])
            } else {
                text.append("\"mask\", \"rle\": ")
                text.bytes += AnnotationResult(mask).segmentation(isSpaced: true)
            }
        } else {
            let record = instance.record
            text.append("\"bbox\", \"bbox\": ")
            text.append(list: [record.x, record.y, record.width, record.height])
        }
        text.append(", \"label_id\": \(instance.category ?? 0), \"group\": \(details.group)")
        text.append(", \"z_order\": \(details.order), \"attributes\": {")
        var attributes = JSONMembers()
        for (name, value) in details.attributes { attributes.add(name, json: value.json) }
        let names = Set(details.attributes.map(\.name))
        if !names.contains("occluded"), details["occluded"] != nil {
            attributes.add("occluded", json: (details.isOccluded ? "true" : "false").utf8)
        }
        if !names.contains("is_crowd"), instance.record.isCrowd {
            attributes.add("is_crowd", json: "true".utf8)
        }
        if !names.contains("score"), let score = instance.score {
            attributes.add("score", number: score)
        }
        text.bytes += attributes.bytes.dropFirst(2)
        text.append("}}")
    }
}
