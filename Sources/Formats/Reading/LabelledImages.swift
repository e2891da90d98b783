import Annotations
import Files

/// Which image each label file is about: `images.csv` says it, or the files' names.
struct LabelledImages {
    private var names: [String: (image: String, line: Int)] = [:]
    private let path: String?

    static let fileName = "images.csv"
    static let header = "label,image\n"

    /// The line of an image that is written.
    static func row(_ image: ExportImage) -> String {
        "\(CSVText.field(image.stem)),\(CSVText.field(image.record.fileName))\n"
    }

    /// - Throws: ``AnnotationError/problem(_:)`` that names the table's line.
    init(in folders: [String]) throws {
        let table = try SideTable(Self.fileName, in: folders, columns: ["label", "image"])
        path = table?.path
        guard let table else { return }
        for (line, fields) in table.rows {
            if let fault = ImageRecord.fault(in: fields[1]) {
                throw table.problem(
                    line, field: "image", expected: "a path inside the images folder",
                    found: "\(fields[1].quoted), which \(fault)")
            }
            guard names.updateValue((fields[1], line), forKey: fields[0]) == nil else {
                throw table.problem(
                    line, field: "label", expected: "a label file of its own",
                    found: fields[0].quoted)
            }
        }
    }

    /// The image that a label file is about.
    ///
    /// - Parameter stem: the label file's name without extension.
    func image(_ stem: String, _ source: AnnotationSource) -> String {
        if let known = names[stem] { return known.image }
        return source.image(among: Self.kinds.map { stem + "." + $0 }).name
    }

    /// The files of the table that are not there: nothing may go missing unnoticed.
    func checkComplete(_ stems: [String], in records: inout ImportedRecords) {
        guard let path else { return }
        let known = Set(stems)
        let file = records.places.addFile(path)
        for (stem, entry) in names.sorted(by: { $0.value.line < $1.value.line })
        where !known.contains(stem) {
            records.error(
                ImportPlaces.Place(file: file, number: 0), field: "label",
                expected: "a label image for \(entry.image.quoted)",
                found: "no \((stem + ".png").quoted)")
        }
    }

    private static let kinds = ["jpg", "png", "jpeg", "webp", "tif", "tiff", "bmp"]
}
