import Annotations
import Files
import Imaging

/// Pascal VOC XML: `Annotations/NAME.xml` with the boxes of one image, corners counted from 1.
struct VOCWriter: ImageWriter {
    let traits: FormatTraits = .boxes
    let imagesFolder: String? = "JPEGImages"
    let keptKeys: Set<String>? = ["pose", "truncated", "difficult", "occluded"]
    private let names: [String]
    private let file: AnnotationFile

    init(_ file: AnnotationFile) {
        self.file = file
        names = CategoryNumbers(file).names
    }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { ["Annotations/\(stem).xml"] }

    func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        var text = TextBuffer()
        let parts = image.record.fileName.split(separator: "/")
        text.append(
            "<annotation>\n  <folder>\(XMLText.escaped(parts.dropLast().joined(separator: "/")))</folder>\n"
        )
        text.append("  <filename>\(XMLText.escaped(String(parts.last ?? "")))</filename>\n")
        text.append(
            "  <size><width>\(image.size.width)</width><height>\(image.size.height)</height>")
        text.append("<depth>3</depth></size>\n  <segmented>0</segmented>\n")
        for instance in image.instances {
            // A corner below 1 would tell readers that this data set counts from 0.
            guard let box = instance.record.box.clipped(to: image.size) else {
                report.add(.outside)
                continue
            }
            text.append(
                "  <object>\n    <name>\(XMLText.escaped(names[instance.category ?? 0]))</name>\n")
            let pose = file.member("pose", of: instance.record).flatMap { range in
                file.bytes.withBytes { JSONScanner($0, range).text(range) }
            }
            text.append("    <pose>\(XMLText.escaped(pose ?? "Unspecified"))</pose>")
            let flags = ["truncated", "difficult", "occluded"]
            for (flag, value) in zip(flags, file.numbers(flags, of: instance.record)) {
                // VOC itself has no `occluded`.
                guard
                    let number = value.map({ Int(exactly: $0) ?? 1 })
                        ?? (flag == "occluded" ? nil : 0)
                else { continue }
                text.append("<\(flag)>\(number)</\(flag)>")
            }
            text.append("\n    <bndbox>")
            for (name, value) in [
                ("xmin", box.minX + 1), ("ymin", box.minY + 1), ("xmax", box.maxX),
                ("ymax", box.maxY),
            ] {
                text.append("<\(name)>")
                text.append(value)
                text.append("</\(name)>")
            }
            text.append("</bndbox>\n  </object>\n")
            report.writtenCount += 1
        }
        text.append("</annotation>\n")
        try folder.write(text.bytes, to: "Annotations/\(image.stem).xml")
    }
}
