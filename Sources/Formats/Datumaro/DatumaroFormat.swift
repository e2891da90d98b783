public import Annotations
import Files

/// Datumaro's own JSON, a file for each part of a data set.
struct DatumaroFormat: RecordFormat {
    let name = AnnotationFormat.datumaro
    let summary = "folder: annotations/default.json of Datumaro"
    let toldBy = "the keys `items` and `categories`; a folder `annotations` of such files"
    let sortsCategories = false
    let keys: Set<String> = ["items", "categories", "infos", "dm_format_version"]

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "{")
            && (file.keys.contains("dm_format_version")
                || file.keys.isSuperset(of: ["items", "categories"]))
    }

    func recognizes(_ folder: FolderProbe) -> Bool {
        folder.firstFile(in: DatumaroReader.folderName, withExtension: "json")
            .map(recognizes) ?? false
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try DatumaroReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .folder { DatumaroWriter($0, options: $1) } }
}

extension AnnotationFormat {
    public static let datumaro = AnnotationFormat("datumaro")
}
