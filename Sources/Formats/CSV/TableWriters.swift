import Annotations
import Files
import Imaging

/// A table `image,x,y,w,h,label,score,image_width,image_height`; an image without boxes has a line
/// without them.
struct CSVWriter: FileWriter {
    let file: AnnotationFile
    let options: ExportOptions

    func write(to path: String, report: inout ExportReport) throws {
        let names = CategoryNumbers(file).names
        var output = try OutputFile(path: path)
        try output.write("image,x,y,w,h,label,score,image_width,image_height\n")
        try write(names, report: &report) { try output.write($0) }
        try output.commit()
    }

    private func write(
        _ names: [String], report: inout ExportReport, line: ([UInt8]) throws -> Void
    ) throws {
        try ExportSource(file, options: options).forEachImage(
            [.boxes, .scores], keptKeys: [], report: &report
        ) {
            image, report in
            let name = CSVText.field(image.record.fileName)
            let sides = ",\(image.size.width),\(image.size.height)\n"
            if image.instances.isEmpty { try line(Array("\(name),,,,,,\(sides)".utf8)) }
            for instance in image.instances {
                var text = TextBuffer()
                text.append(name)
                let record = instance.record
                for value in [record.x, record.y, record.width, record.height] {
                    text.append(",")
                    text.append(value)
                }
                text.append("," + CSVText.field(names[instance.category ?? 0]) + ",")
                if let score = instance.score { text.append(score) }
                text.append(sides)
                try line(text.bytes)
                report.writtenCount += 1
            }
        }
    }
}

/// A JSON list of COCO results: image, category, box, score (1 where there is none) and mask.
struct DetectionsWriter: FileWriter {
    let file: AnnotationFile
    let options: ExportOptions

    func write(to path: String, report: inout ExportReport) throws {
        var output = try OutputFile(path: path)
        try output.write("[")
        try write(report: &report) { try output.write($0) }
        try output.write("\n]\n")
        try output.commit()
    }

    private func write(report: inout ExportReport, line: ([UInt8]) throws -> Void) throws {
        var isFirst = true
        try ExportSource(file, options: options).forEachImage(
            [.masks, .boxes, .scores], keptKeys: [], report: &report
        ) {
            image, report in
            for instance in image.instances {
                let record = instance.record
                var text = TextBuffer()
                text.append(isFirst ? "\n{\"image_id\":" : ",\n{\"image_id\":")
                isFirst = false
                text.append(json: image.record.id)
                text.append(",\"category_id\":")
                if let category = instance.category {
                    text.append(json: file.categories[category].id)
                }
                text.append(",\"bbox\":")
                text.append(list: [record.x, record.y, record.width, record.height])
                text.append(",\"score\":")
                text.append(instance.score ?? 1)
                if let mask = instance.mask {
                    text.append(",\"segmentation\":")
                    text.bytes += AnnotationResult(mask).segmentation(isSpaced: false)
                } else {
                    report.add(.boxOnly)
                }
                text.append("}")
                try line(text.bytes)
                report.writtenCount += 1
            }
        }
    }
}
