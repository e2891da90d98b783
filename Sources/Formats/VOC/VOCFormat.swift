public import Annotations

/// Pascal VOC XML, a file an image.
struct VOCFormat: RecordFormat {
    let name = AnnotationFormat.voc
    let summary = "folder: Annotations/*.xml (boxes)"
    let toldBy = "the element `annotation`; a folder `Annotations`; a folder of .xml files"

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "<") && (file.contains("<annotation>") || file.contains("<annotation "))
    }

    /// A copy of Pascal VOC has boxes for all of its images and masks for some, so boxes come first.
    func recognizes(_ folder: FolderProbe) -> Bool {
        VOCReader.annotationFolder(folder.path) != nil
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try VOCReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .folder { file, _ in VOCWriter(file) } }
}

/// Pascal VOC's SegmentationObject and SegmentationClass, PNG with a palette or with colours.
struct VOCMaskFormat: RecordFormat {
    let name: AnnotationFormat
    let summary: String
    let toldBy: String
    let isLabelMap = true

    static let numbers = VOCMaskFormat(
        name: .vocPNG, summary: "folder: SegmentationClass, SegmentationObject",
        toldBy: "a folder `SegmentationObject`, without `Annotations`")
    static let colors = VOCMaskFormat(
        name: .vocColors, summary: "folder: as voc-png in colours, labelmap.txt",
        toldBy: "a folder `SegmentationObject` beside a `labelmap.txt`")

    func recognizes(_ folder: FolderProbe) -> Bool {
        folder.hasFolder(VOCMaskReader.objectFolder)
            && (name == .vocPNG || folder.hasFile(ColorLegend.fileName))
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try VOCMaskReader(source).read(into: &records)
    }

    var writer: FormatWriter? {
        .folder { VOCMaskWriter($0, isColored: name == .vocColors, options: $1) }
    }
}

extension AnnotationFormat {
    public static let voc = AnnotationFormat("voc")
    public static let vocPNG = AnnotationFormat("voc-png")
    public static let vocColors = AnnotationFormat("voc-colors")
}
