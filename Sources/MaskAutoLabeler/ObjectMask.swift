public import Annotations
import Formats
public import Imaging

/// A box in pixels of its image, as COCO counts them: (x, y) is its upper left corner.
public typealias Box = Imaging.Box

extension Box {
    public init(x: Double, y: Double, width: Double, height: Double) {
        self.init(cocoX: x, y: y, width: width, height: height)
    }
}

/// The mask that the network gives the object in a box.
public struct ObjectMask: Sendable {
    /// As it was given.
    public let box: Box
    /// An estimate of the mask's IoU with the true one, 0 to 1; 0 for an empty mask (docs/confidence.md).
    public let score: Double
    /// The mask as run lengths, of the size of the whole image.
    public let rle: RLE
    /// The network's probabilities; nil unless ``MaskLabeler/Options/keepsProbabilities`` asks for them.
    public let probabilities: Probabilities?

    /// The mask as a byte a pixel, 0 or 1, row by row, of the size of the whole image.
    public var pixels: Mask { (try? rle.mask(maxPixels: .max)) ?? Mask(empty: rle.size) }

    /// The mask's outlines as COCO has them: x and y of each corner in turn, along the pixels' edges. Holes and
    /// parts are joined by bridges, so that filling gives the mask back.
    ///
    /// - Parameter tolerance: how far outlines may be from the mask's edge, in pixels; 0 is exact.
    /// - Returns: none for an empty mask.
    public func polygons(tolerance: Double = 0) throws -> [[Double]] {
        rle.area == 0 ? [] : try PolygonMask(rle, OutlineOptions(tolerance: tolerance)).polygons
    }

    /// Of each pixel of a crop around the box, how likely it is the object's.
    public struct Probabilities: Sendable {
        /// Sides in pixels.
        public let side: Int
        /// side · side values from 0 to 1, row by row; 0 outside the box.
        public let values: [Float]
        /// The rectangle of the image that the crop shows, in its pixels; it may reach over the image's edges.
        public let window: Box
    }
}
