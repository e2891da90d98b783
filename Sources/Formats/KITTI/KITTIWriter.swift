import Annotations
import Files
import Imaging

/// KITTI `label_2/NAME.txt`: a line a box, with unknown values for what is three-dimensional. A
/// crowd is a `DontCare` region.
struct KITTIWriter: ImageWriter {
    let traits: FormatTraits = [.boxes, .scores, .crowds]
    let imagesFolder: String? = "image_2"
    let keptKeys: Set<String>? = [
        "truncated", "occluded", "alpha", "dimensions", "location", "rotation_y",
    ]
    private let names: [String]
    private let isChanged: [Bool]
    private let file: AnnotationFile

    init(_ file: AnnotationFile) {
        self.file = file
        let given = CategoryNumbers(file).names
        names = given.map { name in
            String(name.map { $0.isWhitespace ? "_" : $0 })
        }
        isChanged = zip(given, names).map { $0 != $1 }
    }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { ["label_2/\(stem).txt"] }

    func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        var text = TextBuffer()
        for instance in image.instances {
            let isCrowd = instance.record.isCrowd
            if isCrowd { report.add(.ignored) }
            text.append(isCrowd ? "DontCare" : names[instance.category ?? 0])
            let record = instance.record
            let known = file.numbers(["truncated", "occluded", "alpha", "rotation_y"], of: record)
            let unknown = isCrowd ? -1.0 : 0
            let box = record.box
            var values = [
                known[0] ?? unknown, known[1] ?? unknown, known[2] ?? -10, box.minX, box.minY,
                box.maxX, box.maxY,
            ]
            values += list("dimensions", of: record) ?? [-1, -1, -1]
            values += list("location", of: record) ?? [-1000, -1000, -1000]
            values += [known[3] ?? -10] + [instance.score].compactMap { $0 }
            for value in values {
                text.append(" ")
                text.append(value)
            }
            text.append("\n")
            report.writtenCount += 1
        }
        try folder.write(text.bytes, to: "label_2/\(image.stem).txt")
    }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        report.add(.changedNames, isChanged.count { $0 })
    }

    /// Three numbers under a key.
    private func list(_ key: String, of record: AnnotationRecord) -> [Double]? {
        guard let range = file.member(key, of: record) else { return nil }
        let numbers = file.text(range).split { "[], ".contains($0) }.compactMap { Double($0) }
        return numbers.count == 3 ? numbers : nil
    }
}
