import Annotations
import Files
import Imaging

/// KITTI `label_2/NAME.txt`: a line a box, with unknown values for what is three-dimensional. A
/// crowd is a `DontCare` region.
struct KITTIWriter: ImageWriter {
    let traits: FormatTraits = [.boxes, .scores, .crowds]
    private let names: [String]
    private let isChanged: [Bool]

    init(_ file: AnnotationFile) {
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
            text.append(isCrowd ? " -1 -1 -10" : " 0 0 -10")
            let box = instance.record.box
            for value in [box.minX, box.minY, box.maxX, box.maxY] {
                text.append(" ")
                text.append(value)
            }
            text.append(" -1 -1 -1 -1000 -1000 -1000 -10")
            if let score = instance.score {
                text.append(" ")
                text.append(score)
            }
            text.append("\n")
            report.writtenCount += 1
        }
        try folder.write(text.bytes, to: "label_2/\(image.stem).txt")
    }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        report.add(.changedNames, isChanged.count { $0 })
    }
}
