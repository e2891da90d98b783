public import Annotations

/// CreateML's JSON: a list of images with boxes.
struct CreateMLFormat: RecordFormat {
    let name = AnnotationFormat.createML
    let summary = "CreateML JSON (boxes)"
    let toldBy = "a list whose records have `image` and `annotations`"
    let keys: Set<String> = ["image", "annotations"]

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "[") && file.keys.contains("annotations")
            && !file.keys.isDisjoint(with: ["image", "imagefilename"])
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try CreateMLReader(source).read(into: &records)
    }

    var writer: FormatWriter? { nil }
}

extension AnnotationFormat {
    public static let createML = AnnotationFormat("createml")
}
