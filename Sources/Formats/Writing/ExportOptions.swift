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

    /// Whether photographs come along, for formats that have a folder for them.
    package enum Images: String, Sendable, CaseIterable {
        case none, copied, linked
    }

    package var images = Images.none
    package var outline = OutlineOptions()
    /// Which pixels the readers of polygons will fill; nil is the format's own way.
    package var fill: PolygonFill?
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
