public import Annotations
import Files

/// COCO panoptic: a JSON file, and a PNG an image whose colours are the numbers of segments.
struct PanopticFormat: RecordFormat {
    let name = AnnotationFormat.cocoPanoptic
    let summary = "folder: panoptic.json, panoptic/*.png"
    let toldBy =
        "`images`, and annotations with `segments_info`; a folder with such a `panoptic.json`"
    let isLabelMap = true
    let sortsCategories = false

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "{") && file.keys.contains("images")
            && file.hasInside("\"segments_info\"")
    }

    func recognizes(_ folder: FolderProbe) -> Bool { folder.hasFile(PanopticReader.fileName) }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try PanopticReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .folder { PanopticWriter($0, options: $1) } }
}

extension AnnotationFormat {
    public static let cocoPanoptic = AnnotationFormat("coco-panoptic")
}
