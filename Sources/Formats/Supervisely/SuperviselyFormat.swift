public import Annotations
import Files

/// Supervisely's JSON, a file an image in folders `ann`.
struct SuperviselyFormat: RecordFormat {
    let name = AnnotationFormat.supervisely
    let summary = "folder: meta.json, ds0/ann/*.json of Supervisely"
    let toldBy = "the keys `size` and `objects`; a `meta.json`, or a folder `ann` of such files"
    let keys: Set<String> = ["size", "objects"]
    let hasFileAnImage = true

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "{") && file.keys.isSuperset(of: ["size", "objects"])
    }

    func recognizes(_ folder: FolderProbe) -> Bool {
        if folder.hasFile(SuperviselyReader.metaName) {
            let meta = try? FileProbe(
                path: LabelFiles.join(folder.path, SuperviselyReader.metaName))
            return meta?.keys.contains("classes") ?? false
        }
        return folder.firstFile(in: SuperviselyReader.folderName, withExtension: "json")
            .map(recognizes) ?? false
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try SuperviselyReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .folder { file, _ in SuperviselyWriter(file) } }
}

extension AnnotationFormat {
    public static let supervisely = AnnotationFormat("supervisely")
}
