import Annotations
import Files
import Imaging

/// A PNG of one bit a pixel for each mask, in `masks/NAME/ID.png`, and `annotations.json`: the
/// annotations as they came, with `mask_file` in place of the mask. Nothing is lost.
struct InstancePNGWriter: ImageWriter {
    let traits: FormatTraits = [.masks, .boxes, .scores, .crowds, .uncategorized]
    let keptKeys: Set<String>? = nil
    private let file: AnnotationFile
    /// By place in `annotations`.
    private var names: [String?]

    init(_ file: AnnotationFile) {
        self.file = file
        names = [String?](repeating: nil, count: file.annotations.count)
    }

    var tables: [String] { ["annotations.json"] }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] {
        annotations.flatMap { record in
            [name(of: record), "at_\(record.index)"].compactMap { $0 }.map {
                "masks/\(stem)/\($0).png"
            }
        }
    }

    mutating func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        var taken: Set<String> = []
        for instance in image.instances {
            report.writtenCount += 1
            guard let mask = instance.mask else {
                report.add(.boxOnly)
                continue
            }
            var id = name(of: instance.record) ?? ""
            if id.isEmpty || !taken.insert(id).inserted { id = "at_\(instance.record.index)" }
            let name = "masks/\(image.stem)/\(id).png"
            let window = CropWindow(
                minX: 0, minY: 0, maxX: mask.size.width, maxY: mask.size.height)
            let png = try ImageCodec.encodePNG(
                labels: .bits(mask.pixels(in: window)), size: mask.size)
            try folder.write(png, to: name)
            names[instance.record.index] = name
        }
    }

    /// The id, where it can be a file's name: ids may be texts, and may be repeated.
    private func name(of record: AnnotationRecord) -> String? {
        let id = record.id.plain
        let isName =
            id.utf8.count <= 100
            && id.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x2D
            }
        return isName ? id : nil
    }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        var output = try folder.file("annotations.json")
        try AnnotationWriter(file).write(to: &output) { place in
            guard let name = names[place] else { return nil }
            return [("segmentation", Array("null".utf8)), ("mask_file", PythonJSON.string(name))]
        }
        try output.commit()
    }
}
