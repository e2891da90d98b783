public import Annotations
import Files

/// COCO JSON, with masks in one of its three forms, and the data sets that are nearly COCO.
struct COCOFormat: Format {
    let name: AnnotationFormat
    let summary: String
    let toldBy: String
    var hasPolygons = false
    let keys: Set<String> = ["images", "annotations", "categories", "info", "licenses"]

    static let compressed = COCOFormat(
        name: .coco, summary: "COCO JSON, compressed RLE", toldBy: "the key `images`")
    static let runLengths = COCOFormat(
        name: .cocoRLE, summary: "COCO JSON, RLE as numbers", toldBy: "as `coco`")
    static let polygons = COCOFormat(
        name: .cocoPolygons, summary: "COCO JSON, polygons", toldBy: "as `coco`", hasPolygons: true)
    static let lvis = COCOFormat(
        name: .lvis, summary: "the same with what LVIS v1 has besides",
        toldBy: "an image with `coco_url` and without `file_name`", hasPolygons: true)
    static let objects365 = COCOFormat(
        name: .objects365, summary: "COCO JSON with Objects365's names",
        toldBy: "a folder `patchN` in the name of an image")

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "{") && file.keys.contains("images")
            && !file.hasInside("\"segments_info\"")
    }

    func read(_ source: AnnotationSource) throws -> AnnotationFile {
        let naming = ImageNaming(finder: source.finder, prefersURL: name == .lvis)
        return try AnnotationFile(
            AnnotationReader(
                path: source.path, bytes: FileBytes(path: source.path), naming: naming),
            path: source.path, format: [.lvis, .objects365].contains(name) ? name : nil)
    }

    var writer: FormatWriter? {
        .file { COCOWriter(file: $0, format: name, options: $1) }
    }
}

extension AnnotationFormat {
    /// COCO JSON whose masks are polygons.
    public static let cocoPolygons = AnnotationFormat("coco-polygons")
    /// COCO JSON whose masks are run lengths that are not compressed.
    public static let cocoRLE = AnnotationFormat("coco-rle")
}
