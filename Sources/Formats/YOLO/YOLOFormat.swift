public import Annotations

/// YOLO text, a file an image: a class number and shares of the image's sides a line.
struct YOLOFormat: RecordFormat {
    let name: AnnotationFormat
    let summary: String
    let toldBy: String
    let hasPolygons: Bool

    static let polygons = YOLOFormat(
        name: .yoloSegmentation, summary: "folder: labels/*.txt with polygons, data.yaml",
        toldBy: "lines of numbers; a `data.yaml`; a folder of such .txt files", hasPolygons: true)
    static let boxes = YOLOFormat(
        name: .yolo, summary: "the same with boxes", toldBy: "as `yolo-seg`", hasPolygons: false)

    static let poses = YOLOFormat(
        name: .yoloPose, summary: "the same with boxes and points",
        toldBy: "a `data.yaml` with `kpt_shape`", hasPolygons: false)

    var sortsCategories: Bool { false }

    func recognizes(_ file: FileProbe) -> Bool {
        guard name == .yolo, let line = file.line else { return false }
        if ["yaml", "yml"].contains(file.fileExtension) { return true }
        return file.fields.count >= 5 && file.hasNumbers(from: 0) && !MOTSLine.canBegin(file.fields)
            && !["csv", "tsv"].contains(file.fileExtension) && !line.isEmpty
    }

    func recognizes(_ folder: FolderProbe) -> Bool {
        name == .yolo
            && (YOLOClasses.yamlFile(in: folder.path) != nil || folder.hasFile("obj.data")
                || folder.hasFolder("labels") && folder.hasFile("classes.txt"))
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try YOLOReader(source).read(into: &records)
    }

    var writer: FormatWriter? {
        name == .yoloPose ? nil : .folder { YOLOWriter($0, hasPolygons: hasPolygons, options: $1) }
    }
}

extension AnnotationFormat {
    public static let yolo = AnnotationFormat("yolo")
    /// YOLO text with a box and points a line.
    public static let yoloPose = AnnotationFormat("yolo-pose")
    /// YOLO text with polygons.
    public static let yoloSegmentation = AnnotationFormat("yolo-seg")
}
