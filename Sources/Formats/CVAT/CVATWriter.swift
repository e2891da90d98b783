import Annotations
import Files
import Imaging

/// CVAT for images 1.1. A mask that is one polygon stays one; others are rows of runs within their
/// box, which keeps every pixel.
struct CVATWriter: FileWriter {
    let file: AnnotationFile
    let options: ExportOptions

    private static let keptKeys: Set<String> = [
        "occluded", "z_order", "group_id", "source", "attributes",
    ]

    func write(to path: String, report: inout ExportReport) throws {
        let names = CategoryNumbers(file).names
        var output = try OutputFile(path: path)
        try output.write("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n")
        try output.write("  <version>1.1</version>\n  <meta>\n    <task>\n")
        try output.write("      <size>\(file.images.count)</size>\n      <labels>\n")
        let categories = file.categoryMembers()
        for (place, name) in names.enumerated() {
            var text = "        <label>\n          <name>\(XMLText.escaped(name))</name>\n"
            if let color = categories[place]["color"]?.text, color.hasPrefix("#") {
                text += "          <color>\(XMLText.escaped(color))</color>\n"
            }
            text += "          <attributes>\n          </attributes>\n        </label>\n"
            try output.write(text)
        }
        try output.write("      </labels>\n    </task>\n  </meta>\n")
        try writeImages(names, report: &report) { try output.write($0) }
        try output.write("</annotations>\n")
        try output.commit()
    }

    private func writeImages(
        _ names: [String], report: inout ExportReport, piece: ([UInt8]) throws -> Void
    ) throws {
        var number = 0
        try ExportSource(file, options: options).forEachImage(
            [.masks, .boxes], keptKeys: Self.keptKeys, report: &report
        ) { image, report in
            var text = TextBuffer()
            text.append("  <image id=\"\(number)\" name=\"")
            text.append(XMLText.escaped(image.record.fileName))
            text.append("\" width=\"\(image.size.width)\" height=\"\(image.size.height)\">\n")
            for instance in image.instances {
                append(instance, names[instance.category ?? 0], to: &text, &report)
            }
            text.append("  </image>\n")
            try piece(text.bytes)
            number += 1
        }
    }

    private func append(
        _ instance: ExportInstance, _ name: String, to text: inout TextBuffer,
        _ report: inout ExportReport
    ) {
        let details = RecordDetails(instance.record, in: file)
        var kind = "box"
        var shape = TextBuffer()
        if let mask = instance.mask {
            if let polygons = instance.polygons, polygons.count == 1 {
                kind = "polygon"
                append(polygon: polygons[0], to: &shape)
            } else {
                guard mask.area > 0 else { return report.add(.emptyMask) }
                kind = "mask"
                append(mask, to: &shape)
            }
        } else {
            report.add(.boxOnly)
            let box = instance.record.box
            for (key, value) in [
                ("xtl", box.minX), ("ytl", box.minY), ("xbr", box.maxX), ("ybr", box.maxY),
            ] {
                shape.append(" \(key)=\"")
                shape.append(value)
                shape.append("\"")
            }
        }
        text.append("    <\(kind) label=\"\(XMLText.escaped(name))\"")
        text.append(" source=\"\(XMLText.escaped(details.source ?? "manual"))\"")
        text.append(" occluded=\"\(details.isOccluded ? 1 : 0)\"")
        text.bytes += shape.bytes
        text.append(" z_order=\"\(details.order)\"")
        if details.group != 0 { text.append(" group_id=\"\(details.group)\"") }
        text.append(">\n")
        for (name, value) in details.attributes where name != "occluded" {
            text.append("      <attribute name=\"\(XMLText.escaped(name))\">")
            text.append(XMLText.escaped(value.text ?? String(decoding: value.json, as: UTF8.self)))
            text.append("</attribute>\n")
        }
        text.append("    </\(kind)>\n")
        report.writtenCount += 1
    }

    private func append(polygon: [Double], to text: inout TextBuffer) {
        text.append(" points=\"")
        for place in stride(from: 0, to: polygon.count - 1, by: 2) {
            if place > 0 { text.append(";") }
            text.append(polygon[place])
            text.append(",")
            text.append(polygon[place + 1])
        }
        text.append("\"")
    }

    private func append(_ mask: RLE, to text: inout TextBuffer) {
        let box = mask.boundingBox
        let window = CropWindow(
            minX: Int(box.minX), minY: Int(box.minY), maxX: Int(box.maxX), maxY: Int(box.maxY))
        text.append(" rle=\"")
        var isFirst = true
        mask.forEachRowRun(in: window) { _, length in
            if !isFirst { text.append(", ") }
            isFirst = false
            text.append(length)
        }
        text.append("\" left=\"\(window.minX)\" top=\"\(window.minY)\"")
        text.append(" width=\"\(window.width)\" height=\"\(window.height)\"")
    }
}
