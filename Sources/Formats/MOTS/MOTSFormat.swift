public import Annotations

/// KITTI MOTS: 16-bit PNG whose pixels are 1000 × class + instance, or text with a line an instance.
struct MOTSFormat: RecordFormat {
    let name: AnnotationFormat
    let summary: String
    let toldBy: String
    let isLabelMap = true
    private let isText: Bool

    static let images = MOTSFormat(
        name: .motsPNG, summary: "folder: KITTI MOTS, 16-bit PNG", toldBy: "a folder `instances`",
        isText: false)
    static let text = MOTSFormat(
        name: .motsText, summary: "folder: KITTI MOTS, text",
        toldBy: "a folder `instances_txt`; lines of five whole numbers, the second above 1000, and "
            + "run lengths", isText: true)

    func recognizes(_ file: FileProbe) -> Bool {
        isText && MOTSLine.canBegin(file.fields)
    }

    func recognizes(_ folder: FolderProbe) -> Bool {
        folder.hasFolder(isText ? MOTSReader.textFolder : MOTSReader.imageFolder)
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        let reader = MOTSReader(source)
        if isText {
            try reader.readText(into: &records)
        } else {
            try reader.readImages(into: &records)
        }
    }

    var writer: FormatWriter? { .folder { MOTSWriter($0, isText: isText, options: $1) } }
}

extension AnnotationFormat {
    public static let motsPNG = AnnotationFormat("mots-png")
    public static let motsText = AnnotationFormat("mots-txt")
}
