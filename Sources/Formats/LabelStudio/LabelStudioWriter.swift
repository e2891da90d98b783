import Annotations
import Files
import Foundation
import Imaging

/// Label Studio's tasks with predictions, which an import shows as pre-annotations: boxes as
/// rectangles, masks of one polygon as polygons, others as a brush's.
struct LabelStudioWriter: FileWriter {
    let file: AnnotationFile
    let options: ExportOptions

    private static let version = "mal"

    func write(to path: String, report: inout ExportReport) throws {
        var output = try OutputFile(path: path)
        try output.write("[")
        try write(report: &report) { try output.write($0) }
        try output.write("\n]\n")
        try output.commit()
    }

    private func write(
        report: inout ExportReport, piece: ([UInt8]) throws -> Void
    ) throws {
        let names = CategoryNumbers(file).names
        var isFirst = true
        try ExportSource(file, options: options).forEachImage(
            [.masks, .boxes, .scores], keptKeys: [], report: &report
        ) { image, report in
            var text = TextBuffer()
            text.append(isFirst ? "\n" : ",\n")
            isFirst = false
            text.append("{")
            if case .integer(let id) = image.record.id { text.append("\"id\": \(id), ") }
            text.append("\"data\": {\"image\": ")
            text.append(json: Self.address(of: image.record.fileName))
            text.append("}, \"predictions\": [{\"model_version\": \"\(Self.version)\"")
            let scores = image.instances.compactMap(\.score)
            if !scores.isEmpty {
                text.append(", \"score\": ")
                text.append(PythonJSON.number(scores.reduce(0, +) / Double(scores.count)))
            }
            text.append(", \"result\": [")
            var separator = "\n "
            for instance in image.instances {
                if instance.mask?.area == 0 {
                    report.add(.emptyMask)
                    continue
                }
                text.append(separator)
                separator = ",\n "
                append(instance, names[instance.category ?? 0], image, to: &text)
                if instance.mask == nil { report.add(.boxOnly) }
                report.writtenCount += 1
            }
            text.append("]}]}")
            try piece(text.bytes)
        }
    }

    /// As local storage serves files below its root, which is to be the folder of images.
    private static func address(of name: String) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "/-_.~")
        let path = name.addingPercentEncoding(withAllowedCharacters: allowed) ?? name
        return "/data/local-files/?d=" + path
    }

    private func append(
        _ instance: ExportInstance, _ name: String, _ image: ExportImage,
        to text: inout TextBuffer
    ) {
        let (width, height) = (Double(image.size.width), Double(image.size.height))
        var value = JSONMembers()
        let (type, tag): (String, String)
        if let mask = instance.mask {
            if let polygons = instance.polygons, polygons.count == 1 {
                (type, tag) = ("polygonlabels", "polygon")
                var points = TextBuffer()
                let corners = polygons[0]
                for place in stride(from: 0, to: corners.count - 1, by: 2) {
                    points.append(place > 0 ? ", " : "[")
                    points.append(
                        list: [corners[place] / width * 100, corners[place + 1] / height * 100])
                }
                points.append("]")
                value.add("points", json: points.bytes)
                value.add("closed", json: "true".utf8)
            } else {
                (type, tag) = ("brushlabels", "brush")
                var numbers = TextBuffer()
                for (place, byte) in LabelStudioRLE.encode(mask).enumerated() {
                    numbers.append(place > 0 ? "," : "[")
                    numbers.append(Int(byte))
                }
                numbers.append("]")
                value.add("format", text: "rle")
                value.add("rle", json: numbers.bytes)
            }
        } else {
            (type, tag) = ("rectanglelabels", "label")
            let record = instance.record
            value.add("x", number: record.x / width * 100)
            value.add("y", number: record.y / height * 100)
            value.add("width", number: record.width / width * 100)
            value.add("height", number: record.height / height * 100)
            value.add("rotation", integer: 0)
        }
        value.add(type, json: [0x5B] + PythonJSON.string(name) + [0x5D])
        text.append("{\"id\": ")
        text.append(json: instance.record.id.plain)
        text.append(", \"type\": \"\(type)\", \"from_name\": \"\(tag)\", \"to_name\": \"image\", ")
        text.append("\"original_width\": \(image.size.width), ")
        text.append("\"original_height\": \(image.size.height), \"image_rotation\": 0")
        if let score = instance.score {
            text.append(", \"score\": ")
            text.append(PythonJSON.number(score))
        }
        text.append(", \"value\": {")
        text.bytes += value.bytes.dropFirst(2)
        text.append("}}")
    }
}
