import Annotations
import Files
import Imaging

/// LabelMe: a JSON file an image. Parts of one mask are polygons of one `group_id`; an annotation
/// without a mask is a rectangle. Ids, scores, crowds and tracks lie in keys of ours, which LabelMe
/// keeps.
struct LabelMeWriter: ImageWriter {
    let traits: FormatTraits = [.masks, .boxes, .scores, .crowds]
    let imagesFolder: String? = ""
    private let outliner: Outliner
    private let names: [String]
    private let categories: [CategoryRecord]

    init(_ file: AnnotationFile, options: ExportOptions) {
        outliner = Outliner(options: options.outline)
        names = CategoryNumbers(file).names
        categories = file.categories
    }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { ["\(stem).json"] }

    func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        var text = TextBuffer()
        text.append(#"{"version": "5.0.1", "flags": {}, "shapes": ["#)
        var isFirst = true
        for (group, instance) in image.instances.enumerated() {
            let name = names[instance.category ?? 0]
            let box = instance.record.box
            var shapes = [[box.minX, box.minY, box.maxX, box.maxY]]
            var type = "rectangle"
            if instance.mask == nil {
                report.add(.boxOnly)
            } else {
                guard let polygons = try outliner.polygons(of: instance, report: &report) else {
                    continue
                }
                (shapes, type) = (polygons, "polygon")
            }
            for shape in shapes {
                text.append(isFirst ? "\n{\"label\": " : ",\n{\"label\": ")
                isFirst = false
                text.append(json: name)
                text.append(", \"points\": [")
                for place in stride(from: 0, to: shape.count - 1, by: 2) {
                    if place > 0 { text.append(", ") }
                    text.append(list: [shape[place], shape[place + 1]])
                }
                let number = shapes.count > 1 ? "\(group + 1)" : "null"
                text.append(
                    #"], "group_id": \#(number), "shape_type": "\#(type)", "flags": {}"#)
                append(instance, to: &text)
                text.append("}")
            }
            report.writtenCount += 1
        }
        text.append("],\n\"imagePath\": ")
        text.append(json: image.record.fileName.split(separator: "/").last.map(String.init) ?? "")
        text.append(", \"imageData\": null, \"imageHeight\": \(image.size.height), ")
        text.append("\"imageWidth\": \(image.size.width), \"image_id\": ")
        text.append(json: image.record.id)
        text.append("}\n")
        try folder.write(text.bytes, to: "\(image.stem).json")
    }

    private func append(_ instance: ExportInstance, to text: inout TextBuffer) {
        text.append(", \"annotation_id\": ")
        text.append(json: instance.record.id)
        if let category = instance.category {
            text.append(", \"category_id\": ")
            text.append(json: categories[category].id)
        }
        if let score = instance.score {
            text.append(", \"score\": ")
            text.append(score)
        }
        if instance.record.isCrowd { text.append(", \"iscrowd\": 1") }
        if let track = instance.track { text.append(", \"track_id\": \(track)") }
    }
}
