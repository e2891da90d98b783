package import Annotations

/// What a writer needs to know beside the annotations.
package struct ExportOptions: Sendable, Equatable {
    /// Whose pixel it is where masks overlap and the format has one mask a pixel.
    package enum Overlap: String, Sendable, CaseIterable {
        /// The smaller mask's.
        case area
        /// That of the mask with the higher score; of equal scores the smaller mask's.
        case score
    }

    package var outline = OutlineOptions()
    package var overlap = Overlap.area
    /// How far on both sides of every edge between labels pixels are void; 0 for no void pixels.
    package var voidBorder = 0
    /// Folder where the sizes of images are looked up that the annotations do not give.
    package var imagesDirectory: String?
    package var appliesEXIF = false
    /// Whether what is at the output's place may be replaced.
    package var overwrites = false

    package init() {}
}

extension AnnotationFormat {
    /// Whether the output is a folder rather than a file.
    package var isFolder: Bool {
        switch self {
        case .coco, .lvis, .objects365, .ytvis, .csv, .detections, .cocoPolygons, .cocoRLE: false
        case .voc, .yolo, .kitti, .labelme, .yoloSegmentation, .vocPNG, .motsPNG, .motsText, .png,
            .semantic:
            true
        }
    }

    /// Whether masks are drawn into one image, where each pixel belongs to one of them.
    package var isLabelMap: Bool {
        switch self {
        case .vocPNG, .motsPNG, .motsText, .semantic: true
        default: false
        }
    }

    /// Whether masks become polygons.
    package var hasPolygons: Bool {
        switch self {
        case .cocoPolygons, .yoloSegmentation, .labelme, .lvis: true
        default: false
        }
    }
}
