public import Annotations

/// Label Studio's JSON: a list of tasks with what people or models drew.
struct LabelStudioFormat: RecordFormat {
    let name = AnnotationFormat.labelStudio
    let summary = "Label Studio JSON; written as predictions"
    let toldBy = "tasks with `data`, and `annotations` or `predictions`"
    let keys: Set<String> = ["data", "annotations", "predictions"]

    func recognizes(_ file: FileProbe) -> Bool {
        file.keys.contains("data")
            && !file.keys.isDisjoint(with: ["annotations", "predictions", "completions"])
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try LabelStudioReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .file { LabelStudioWriter(file: $0, options: $1) } }
}

extension AnnotationFormat {
    public static let labelStudio = AnnotationFormat("label-studio")
}
