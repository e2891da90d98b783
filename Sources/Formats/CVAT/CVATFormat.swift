public import Annotations

/// CVAT for images 1.1, an XML file for many images.
struct CVATFormat: RecordFormat {
    let name = AnnotationFormat.cvat
    let summary = "CVAT for images 1.1: one XML file"
    let toldBy = "the element `annotations`"
    let sortsCategories = false

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "<")
            && (file.contains("<annotations>") || file.contains("<annotations "))
    }

    /// What CVAT's archive unpacks to.
    func recognizes(_ folder: FolderProbe) -> Bool {
        (try? FileProbe(path: LabelFiles.join(folder.path, CVATReader.fileName)))
            .map(recognizes) ?? false
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try CVATReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .file { CVATWriter(file: $0, options: $1) } }
}

extension AnnotationFormat {
    public static let cvat = AnnotationFormat("cvat")
}
