import Inference
package import Torch

// B batch, S side of a crop.

/// One batch as the networks take it.
package struct TrainingTensors {
    /// (B, 3, S, S) float32, normalised; augmented, for the student.
    package let image: Tensor
    /// The same crops without colour augmentation, for the teacher.
    package let teacherImage: Tensor
    /// (B, 1, S, S) float32, 0 or 1: the boxes.
    package let mask: Tensor
    /// The boxes' areas in pixels of their images.
    package let areas: [Float]

    package init(image: Tensor, teacherImage: Tensor, mask: Tensor, areas: [Float]) {
        self.image = image
        self.teacherImage = teacherImage
        self.mask = mask
        self.areas = areas
    }

    /// From bytes as the loader gives them, row-major: image and teacherImage (B, S, S, 3), mask
    /// (B, S, S) of 0 and 1.
    package init(
        image: [UInt8], teacherImage: [UInt8], mask: [UInt8], areas: [Float], cropSize: Int,
        device: Device
    ) {
        let (count, side) = (areas.count, cropSize)
        self.image = normalized(Tensor(bytes: image, [count, side, side, 3], device: device))
        self.teacherImage = normalized(
            Tensor(bytes: teacherImage, [count, side, side, 3], device: device))
        self.mask = Tensor(bytes: mask, [count, 1, side, side], device: device).to(.float32)
        self.areas = areas
    }

    /// The batch in parts of at most `count` objects; views.
    func parts(of count: Int) -> [TrainingTensors] {
        precondition(count > 0, "parts of \(count) objects")
        guard areas.count > count else { return [self] }
        return stride(from: 0, to: areas.count, by: count).map { start in
            let rows = start..<min(start + count, areas.count)
            return TrainingTensors(
                image: image.narrowed(0, rows), teacherImage: teacherImage.narrowed(0, rows),
                mask: mask.narrowed(0, rows), areas: Array(areas[rows]))
        }
    }
}
