public import Annotations

/// VGG Image Annotator, version 2, JSON or CSV.
struct VIAFormat: RecordFormat {
    let name = AnnotationFormat.via
    let summary = "VGG Image Annotator 2, JSON or CSV"
    let toldBy =
        "`_via_img_metadata`; records with `regions` and `filename`; "
        + "the column `region_shape_attributes`"
    let keys: Set<String> = ["_via_settings", "_via_img_metadata", "_via_attributes"]

    func recognizes(_ file: FileProbe) -> Bool {
        if let line = file.line {
            return String(decoding: line, as: UTF8.self).contains(VIAReader.shapeColumn)
        }
        guard file.opens(with: "{"), file.keys.isDisjoint(with: ["images", "shapes"]) else {
            return false
        }
        return file.keys.contains("_via_img_metadata")
            || file.contains("\"regions\"") && file.contains("\"filename\"")
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try VIAReader(source).read(into: &records)
    }

    var writer: FormatWriter? { nil }
}

extension AnnotationFormat {
    public static let via = AnnotationFormat("via")
}
