import Annotations
import Files
import Imaging

/// COCO panoptic: `panoptic.json` and `panoptic/NAME.png`, whose colours are the segments' ids.
/// Every record is a segment; categories are things unless they say otherwise.
struct PanopticWriter: ImageWriter {
    let traits: FormatTraits = [.masks, .crowds]
    let keptKeys: Set<String>? = ["segment_id"]
    private let file: AnnotationFile
    private let options: ExportOptions
    private var annotations = TextBuffer()
    /// What segments without an id of their own are counted from.
    private var nextID = 1
    private let ownIDs: Set<Int>

    private static let ids = 1..<1 << 24

    init(_ file: AnnotationFile, options: ExportOptions) {
        self.file = file
        self.options = options
        ownIDs = Set(
            file.annotations.compactMap { record in
                guard case .integer(let id) = record.id, Self.ids.contains(Int(id)) else {
                    return nil
                }
                return Int(id)
            })
    }

    var tables: [String] { [PanopticReader.fileName] }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { ["\(PanopticReader.folderName)/\(stem).png"] }

    mutating func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        let map = try image.labelMap(options, report: &report) { _ in true }
        let ids = segmentIDs(of: image)
        let numbers = map.rows([0] + ids.map { UInt32($0) })
        try folder.write(
            try ImageCodec.encodePNG(labels: LabelMap.image(numbers: numbers, image.size)),
            to: "\(PanopticReader.folderName)/\(image.stem).png")
        annotations.append(annotations.bytes.isEmpty ? "\n{\"image_id\": " : ",\n{\"image_id\": ")
        annotations.append(json: image.record.id)
        annotations.append(", \"file_name\": ")
        annotations.append(json: image.stem + ".png")
        annotations.append(", \"segments_info\": [")
        var separator = ""
        for (place, mask) in map.visibleMasks().enumerated() {
            guard let mask, let category = image.instances[place].category else { continue }
            let box = mask.boundingBox
            annotations.append("\(separator){\"id\": \(ids[place]), \"category_id\": ")
            separator = ", "
            annotations.append(json: file.categories[category].id)
            annotations.append(", \"iscrowd\": \(image.instances[place].record.isCrowd ? 1 : 0)")
            annotations.append(", \"bbox\": ")
            annotations.append(list: [box.minX, box.minY, box.width, box.height])
            annotations.append(", \"area\": \(mask.area)}")
        }
        annotations.append("]}")
    }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        var text = TextBuffer()
        text.append("{\"images\": [")
        let source = ExportSource(file, options: options)
        for (place, image) in file.images.enumerated() {
            let size = try source.size(of: image)
            text.append(place > 0 ? ",\n{\"id\": " : "\n{\"id\": ")
            text.append(json: image.id)
            text.append(", \"file_name\": ")
            text.append(json: image.fileName)
            text.append(", \"width\": \(size.width), \"height\": \(size.height)}")
        }
        text.append("],\n\"annotations\": [")
        text.bytes += annotations.bytes
        text.append("],\n\"categories\": [")
        let names = CategoryNumbers(file).names
        for (place, members) in file.categoryMembers().enumerated() {
            text.append(place > 0 ? ",\n{\"id\": " : "\n{\"id\": ")
            text.append(json: file.categories[place].id)
            text.append(", \"name\": ")
            text.append(json: names[place])
            let color = CategoryLegend.color(place + 1)
            let known: [(String, [UInt8])] = [
                ("supercategory", PythonJSON.string(names[place])), ("isthing", Array("1".utf8)),
                ("color", Array("[\(color.red), \(color.green), \(color.blue)]".utf8)),
            ]
            for (key, value) in known {
                text.append(", \"\(key)\": ")
                text.bytes += members[key]?.json ?? value
            }
            text.append("}")
        }
        text.append("]}\n")
        try folder.write(text.bytes, to: PanopticReader.fileName)
    }

    /// The ids that the segments had, or the records have, where these are numbers of 24 bits that
    /// no other segment of the image has; others get the next free one.
    private mutating func segmentIDs(of image: ExportImage) -> [Int] {
        var taken: Set<Int> = []
        var ids = image.instances.map { instance -> Int? in
            var own: Int?
            if case .integer(let id) = instance.record.id { own = Int(id) }
            let segment = file.number("segment_id", of: instance.record)
            let id = segment.flatMap(Int.init(exactly:)) ?? own ?? 0
            return Self.ids.contains(id) && taken.insert(id).inserted ? id : nil
        }
        for place in ids.indices where ids[place] == nil {
            while taken.contains(nextID) || ownIDs.contains(nextID) { nextID += 1 }
            ids[place] = nextID
            nextID += 1
        }
        return ids.compactMap(\.self)
    }
}
