import Inference
package import Torch

// B batch, S side of a crop, K objects whose mask is known.

/// One batch as the networks take it.
package struct TrainingTensors {
    /// (B, 3, S, S) float32, normalised; augmented, for the student.
    package let image: Tensor
    /// The same crops without colour augmentation, for the teacher.
    package let teacherImage: Tensor
    /// (B, 1, S, S) float32, 0 or 1: the boxes.
    package let mask: Tensor
    /// The true masks of some objects; nil where none is known.
    package let truth: Truth?
    /// The boxes' areas in pixels of their images.
    package let areas: [Float]

    /// True masks.
    package struct Truth {
        /// Places in the batch, ascending.
        package let rows: [Int]
        /// (K, 1, S, S) float32, 0 or 1.
        package let mask: Tensor

        package init(rows: [Int], mask: Tensor) {
            self.rows = rows
            self.mask = mask
        }

        /// Those of a part of the batch; a view.
        func part(_ range: Range<Int>) -> Truth? {
            let places = rows.indices.filter { range.contains(rows[$0]) }
            guard let first = places.first, let last = places.last else { return nil }
            return Truth(
                rows: places.map { rows[$0] - range.lowerBound },
                mask: mask.narrowed(0, first..<last + 1))
        }
    }

    package init(
        image: Tensor, teacherImage: Tensor, mask: Tensor, truth: Truth? = nil, areas: [Float]
    ) {
        self.image = image
        self.teacherImage = teacherImage
        self.mask = mask
        self.truth = truth
        self.areas = areas
    }

    /// The loader's.
    package init(_ batch: TrainingBatch, device: Device) {
        self.init(
            image: batch.image, teacherImage: batch.teacherImage, mask: batch.mask,
            truthRows: batch.truthRows, truth: batch.truth, areas: batch.areas,
            cropSize: batch.cropSize, device: device)
    }

    /// From bytes as the loader gives them, row-major: image and teacherImage (B, S, S, 3), mask
    /// (B, S, S) and truth (K, S, S) of 0 and 1.
    package init(
        image: [UInt8], teacherImage: [UInt8], mask: [UInt8], truthRows: [Int] = [],
        truth: [UInt8] = [], areas: [Float], cropSize: Int, device: Device
    ) {
        let (count, side) = (areas.count, cropSize)
        self.image = normalized(Tensor(bytes: image, [count, side, side, 3], device: device))
        self.teacherImage = normalized(
            Tensor(bytes: teacherImage, [count, side, side, 3], device: device))
        self.mask = Tensor(bytes: mask, [count, 1, side, side], device: device).to(.float32)
        self.truth =
            truthRows.isEmpty
            ? nil
            : Truth(
                rows: truthRows,
                mask: Tensor(bytes: truth, [truthRows.count, 1, side, side], device: device)
                    .to(.float32))
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
                mask: mask.narrowed(0, rows), truth: truth?.part(rows),
                areas: Array(areas[rows]))
        }
    }
}
