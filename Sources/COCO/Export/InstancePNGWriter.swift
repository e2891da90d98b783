import Imaging

/// A PNG of one bit a pixel for each mask, in `masks/NAME/ID.png`, and `annotations.json`: the
/// annotations as they came, with `mask_file` in place of the mask. Nothing is lost.
struct InstancePNGWriter: ImageWriter {
    let needsMasks = true
    private let file: AnnotationFile
    /// By place in `annotations`.
    private var names: [String?]

    init(_ file: AnnotationFile) {
        self.file = file
        names = [String?](repeating: nil, count: file.annotations.count)
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
            // Ids may be texts, and may be repeated.
            var id = instance.record.id.plain
            let isName =
                id.utf8.count <= 100
                && id.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x2D
                }
            if !isName || !taken.insert(id).inserted { id = "at_\(instance.record.index)" }
            let name = "masks/\(image.stem)/\(id).png"
            let window = CropWindow(
                minX: 0, minY: 0, maxX: mask.size.width, maxY: mask.size.height)
            let png = try ImageCodec.encodePNG(
                labels: .bits(mask.pixels(in: window)), size: mask.size)
            try folder.write(png, to: name)
            names[instance.record.index] = name
        }
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
