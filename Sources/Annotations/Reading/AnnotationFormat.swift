/// The formats in which boxes and masks come and go, by the names that `--format` and `--to` take.
///
/// All are read into, and written from, COCO's records: each has a reader in `Import/` and a writer
/// in `Export/`, and knows nothing of the others. Which is whose, `AnnotationFile.read` and
/// `AnnotationExport.write` say.
public enum AnnotationFormat: String, CaseIterable, Sendable {
    /// COCO JSON.
    case coco
    /// COCO JSON as LVIS v1 has it: images without `file_name`, named by their `coco_url`.
    case lvis
    /// COCO JSON as Objects365 has it: names that begin with folders of the download.
    case objects365
    /// YouTube-VIS JSON: one record an instance, with a box a frame.
    case ytvis
    /// Pascal VOC XML, a file an image.
    case voc
    /// YOLO text, a file an image: a class number and shares of the image's sides a line.
    case yolo
    /// KITTI `label_2` text, a file an image.
    case kitti
    /// LabelMe JSON, a file an image.
    case labelme
    /// A table with a header line and a line a box.
    case csv
    /// A JSON list of a detector's boxes (COCO results).
    case detections

    /// COCO JSON whose masks are polygons.
    case cocoPolygons = "coco-polygons"
    /// COCO JSON whose masks are run lengths that are not compressed.
    case cocoRLE = "coco-rle"
    /// YOLO text with polygons.
    case yoloSegmentation = "yolo-seg"
    /// VOC's SegmentationObject and SegmentationClass, PNG with a palette.
    case vocPNG = "voc-png"
    /// KITTI MOTS, 16-bit PNG: 1000 × class + instance.
    case motsPNG = "mots-png"
    /// KITTI MOTS text: a line an instance.
    case motsText = "mots-txt"
    /// A PNG an instance.
    case png
    /// A PNG an image whose pixels are categories.
    case semantic
}
