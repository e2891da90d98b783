public import Annotations

/// A table with a header line and a line a box.
struct CSVFormat: RecordFormat {
    let name = AnnotationFormat.csv
    let summary = "a table of boxes"
    let toldBy = ".csv, .tsv; a header with the columns of boxes"

    func recognizes(_ file: FileProbe) -> Bool {
        guard file.isText else { return false }
        return ["csv", "tsv"].contains(file.fileExtension)
            || file.line.map(CSVColumns.isHeader) ?? false
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try CSVReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .file { CSVWriter(file: $0, options: $1) } }
}

extension AnnotationFormat {
    public static let csv = AnnotationFormat("csv")
}
