package import Annotations
package import Imaging
import Inference

extension ObjectMask.Probabilities {
    /// The pixels of the image that are the object's with at least a probability. Nothing is cleaned up.
    ///
    /// - Parameter imageSize: of the image that was labelled.
    package func mask(above threshold: Double, imageSize: Size) -> RLE {
        values.withUnsafeBufferPointer { values in
            RLE(
                pasted: pasteMask(
                    probabilities: values, cropSize: side,
                    window: CropWindow(
                        minX: Int(window.minX), minY: Int(window.minY), maxX: Int(window.maxX),
                        maxY: Int(window.maxY)), imageSize: imageSize,
                    threshold: Float(threshold)), imageSize: imageSize)
        }
    }

    /// How likely a pixel is the object's; 0 outside the crop.
    package func probability(x: Int, y: Int) -> Double {
        let column = (Double(x) + 0.5 - window.minX) / window.width * Double(side)
        let row = (Double(y) + 0.5 - window.minY) / window.height * Double(side)
        let range = 0..<Double(side)
        guard range.contains(column), range.contains(row) else { return 0 }
        return Double(values[Int(row) * side + Int(column)])
    }
}
