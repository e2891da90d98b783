import Annotations
import Files
import Imaging

/// COCO JSON with masks in one of its three forms, and LVIS: the input's bytes, with another
/// `segmentation` for each annotation that has a mask. Everything else stays as it is.
struct COCOWriter: FileWriter {
    let file: AnnotationFile
    let format: AnnotationFormat
    let options: ExportOptions

    func write(to path: String, report: inout ExportReport) throws {
        let source = ExportSource(file, options: options)
        let outliner = Outliner(options: options.outline)
        let writer = AnnotationWriter(file)
        var output = try OutputFile(path: path)
        report.imageCount = file.images.count
        report.annotationCount = file.annotations.count
        let isLVIS = format == .lvis
        let extra = isLVIS ? LVISKeys(file) : nil
        let tables = [
            file.annotations.map(\.range), isLVIS ? writer.ranges(of: "images") : [],
            isLVIS ? writer.ranges(of: "categories") : [],
        ]
        try write(tables, to: &output, by: writer) { table, place in
            switch table {
            case 0:
                let box = writer.boxOfMask(place)
                let values = try values(of: file.annotations[place], source, outliner, &report)
                return box.isEmpty ? values : (values ?? []) + box
            case 1: return extra?.image(place, has: writer.keys(of: tables[1][place]))
            default: return extra?.category(place, has: writer.keys(of: tables[2][place]))
            }
        }
        try output.commit()
    }

    private func write(
        _ tables: [[Range<Int>]], to output: inout OutputFile, by writer: AnnotationWriter,
        values: (Int, Int) throws -> [AnnotationWriter.Value]?
    ) throws {
        try writer.write(to: &output, tables: tables, values: values)
    }

    private func values(
        of record: AnnotationRecord, _ source: ExportSource, _ outliner: Outliner,
        _ report: inout ExportReport
    ) throws -> [AnnotationWriter.Value]? {
        report.writtenCount += 1
        guard record.segmentationRange != nil else {
            report.add(.boxOnly)
            return nil
        }
        guard let image = record.imageIndex else { return nil }
        let instance = try source.instance(
            record, size: try source.size(of: file.images[image]), needsMasks: true)
        guard let mask = instance.mask else {
            report.add(.boxOnly)
            return nil
        }
        var text = TextBuffer()
        switch format {
        case .coco, .objects365:
            text.bytes = AnnotationResult(mask).segmentation(isSpaced: false)
        case .cocoRLE:
            text.append("{\"size\":[\(mask.size.height),\(mask.size.width)],\"counts\":[")
            for (place, count) in mask.counts.enumerated() {
                if place > 0 { text.append(",") }
                text.append(Int(count))
            }
            text.append("]}")
        default:
            guard let polygons = try outliner.polygons(of: instance, report: &report) else {
                // An empty list is how COCO says that there is no polygon.
                return [("segmentation", Array("[]".utf8))]
            }
            if polygons == instance.polygons { return nil }
            text.append("[")
            for (place, polygon) in polygons.enumerated() {
                if place > 0 { text.append(",") }
                text.append(list: polygon)
            }
            text.append("]")
        }
        let area: [AnnotationWriter.Value] =
            record.areaRange == nil ? [("area", Array("\(mask.area)".utf8))] : []
        return [("segmentation", text.bytes)] + area
    }
}

/// What LVIS v1 has beyond COCO, for records that do not have it.
private struct LVISKeys {
    private let file: AnnotationFile
    private var imageCounts: [Int]
    private var instanceCounts: [Int]

    init(_ file: AnnotationFile) {
        self.file = file
        instanceCounts = [Int](repeating: 0, count: file.categories.count)
        imageCounts = instanceCounts
        let index = AnnotationIndex(file)
        for image in file.images.indices {
            let found = index[image: image].compactMap { file.annotations[$0].categoryIndex }
            for category in found { instanceCounts[category] += 1 }
            for category in Set(found) { imageCounts[category] += 1 }
        }
    }

    func image(_ place: Int, has keys: Set<String>) -> [AnnotationWriter.Value] {
        let name = file.images[place].fileName
        // Readers take the last two components for the path of the image.
        let url = name.contains("/") ? name : "images/" + name
        let values: [AnnotationWriter.Value] = [
            ("coco_url", PythonJSON.string(url)),
            ("neg_category_ids", Array("[]".utf8)),
            ("not_exhaustive_category_ids", Array("[]".utf8)),
        ]
        return values.filter { !keys.contains($0.key) }
    }

    func category(_ place: Int, has keys: Set<String>) -> [AnnotationWriter.Value] {
        let name = PythonJSON.string(file.categories[place].name ?? "")
        // LVIS' own limits: rare up to 10 images, common up to 100.
        let images = imageCounts[place]
        let frequency = images <= 10 ? "r" : images <= 100 ? "c" : "f"
        let values: [AnnotationWriter.Value] = [
            ("frequency", PythonJSON.string(frequency)),
            ("image_count", Array("\(images)".utf8)),
            ("instance_count", Array("\(instanceCounts[place])".utf8)),
            ("synonyms", [UInt8(ascii: "[")] + name + [UInt8(ascii: "]")]),
        ]
        return values.filter { !keys.contains($0.key) }
    }
}
