public import Annotations

/// A PNG an image whose pixels are categories.
struct SemanticFormat: RecordFormat {
    let name = AnnotationFormat.semantic
    let summary = "folder: a PNG of categories an image, categories.csv"
    let toldBy = "`categories.csv` in a folder"
    let isLabelMap = true

    func recognizes(_ folder: FolderProbe) -> Bool {
        folder.hasFile(CategoryLegend.fileName)
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try SemanticReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .folder { SemanticWriter($0, options: $1) } }
}

extension AnnotationFormat {
    public static let semantic = AnnotationFormat("semantic")
}
