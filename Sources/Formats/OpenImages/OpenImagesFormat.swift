public import Annotations

/// Open Images' tables of boxes and of masks.
struct OpenImagesFormat: RecordFormat {
    let name = AnnotationFormat.openImages
    let summary = "Open Images CSV: boxes, or masks and their PNG"
    let toldBy = "the columns `ImageID`, `LabelName` and `XMin` or `MaskPath`"

    func recognizes(_ file: FileProbe) -> Bool {
        guard let line = file.line else { return false }
        let names = Set(
            line.split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) })
        return names.isSuperset(of: ["ImageID", "LabelName"])
            && !names.isDisjoint(with: ["XMin", "MaskPath"])
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try OpenImagesReader(source).read(into: &records)
    }

    var writer: FormatWriter? { nil }
}

extension AnnotationFormat {
    public static let openImages = AnnotationFormat("open-images")
}
