public import Annotations

/// KITTI `label_2` text, a file an image.
struct KITTIFormat: RecordFormat {
    let name = AnnotationFormat.kitti
    let summary = "folder: label_2/*.txt (boxes)"
    let toldBy = "a folder `label_2`; lines of a name and 14 or 15 numbers"

    func recognizes(_ file: FileProbe) -> Bool {
        guard let first = file.fields.first, TextFields.number(first) == nil else { return false }
        return (15...17).contains(file.fields.count) && file.hasNumbers(from: 1)
            && !["csv", "tsv", "yaml", "yml", "json", "xml"].contains(file.fileExtension)
    }

    func recognizes(_ folder: FolderProbe) -> Bool {
        KITTIReader.labelFolder(folder.path) != nil
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try KITTIReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .folder { file, _ in KITTIWriter(file) } }
}

extension AnnotationFormat {
    public static let kitti = AnnotationFormat("kitti")
}
