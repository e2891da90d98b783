#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
package import Torch

// B batch, S side of a crop, o side of the teacher's maps.

/// Training crops put together from two, in which the object's mask is known: what the teacher cuts out of one
/// crop is pasted over another. Boxes alone cannot teach what hides what, and which of two things in a box is the
/// object. Ours, not in the paper; no human mask enters.
///
/// Each crop of a batch becomes one of two kinds, by chance:
///
/// - *on another ground*: the object at its own place, over another crop of the batch. Its mask is what was cut out.
/// - *behind another object*: the crop as it is, with another crop's object moved and pasted over it. The mask is
///   what is left of the teacher's.
///
/// A crop counts as much as the teacher is sure of its object and as its mask touches the sides of its box.
package struct Composites: Sendable, Equatable {
    /// Probability from which the teacher cuts out.
    package var threshold = 0.5
    /// Mean probabilities inside the mask at which a crop counts for nothing and for all.
    package var confidence = 0.72...0.88
    /// The multiple-instance loss of the mask at which a crop counts for nothing.
    package var looseness = 0.12
    /// Share of crops of the first kind.
    package var groundShare = 0.5
    /// Sides of the object that is pasted over another, in its own.
    package var scale = 0.5...1.2
    /// How far it is moved, in sides of the crop.
    package var shift = 0.15...0.5

    package init() {}

    /// A batch of them.
    package struct Batch {
        /// (B, 3, S, S)
        package let image: Tensor
        /// (B, o, o), 0 or 1.
        package let target: Tensor
        /// (B, 1), 0 to 1: how much each counts.
        package let weight: Tensor
    }

    /// - Parameters:
    ///   - image: (B, 3, S, S), B of 2 or more.
    ///   - probabilities: (B, o, o), the teacher's.
    ///   - mask: (B, 1, S, S), 1 inside the box.
    package func callAsFunction(
        image: Tensor, probabilities: Tensor, mask: Tensor, using generator: inout Generator
    ) -> Batch {
        withoutGradients {
            let (count, side, mapSide) = (image.size(0), image.size(2), probabilities.size(1))
            let box = resized(mask, height: mapSide, width: mapSide).selecting(1, 0)
            let object = (probabilities * box .> threshold).to(.float32)  // (B, o, o)
            let smooth = resized(probabilities.unsqueezed(1), height: side, width: side)
            let cut = ((smooth - threshold) * 8 + 0.5).clamped(0...1) * mask  // (B, 1, S, S)

            let draw = Draw(count: count, self, using: &generator)
            let front = Tensor.concatenated([image, cut], along: 1).rows(draw.front)
            let moved = sampled(front, grid: draw.grid(side: side, device: image.device))
            let alpha = moved.narrowed(1, from: 3)
            let picture =
                moved.narrowed(1, 0..<3) * alpha + image.rows(draw.back) * (1 - alpha)

            let hidden = (resized(alpha, height: mapSide, width: mapSide) .> 0.5).to(.float32)
                .selecting(1, 0)
            let onGround = draw.onGround(device: image.device)  // (B, 1, 1)
            let target = object * (1 - hidden * (1 - onGround))
            return Batch(
                image: picture, target: target,
                weight: weight(of: target, object: object, probabilities, box: box))
        }
    }

    /// Whether the teacher is sure, and what is seen of the object reaches the box's sides: (B, 1).
    private func weight(
        of target: Tensor, object: Tensor, _ probabilities: Tensor, box: Tensor
    ) -> Tensor {
        let area = object.flattened(from: 1).sum(1, keeping: true)
        let mean = (probabilities * object).flattened(from: 1).sum(1, keeping: true) / (area + 1e-6)
        let span = confidence.upperBound - confidence.lowerBound
        let sure = ((mean - confidence.lowerBound) / span).clamped(0...1)
        let loose = multipleInstanceLoss(target, box).unsqueezed(1)
        return sure * (1 - loose / looseness).clamped(0...1)
    }

    /// ``maskLoss(_:_:box:)`` of a batch's student, weighted: (B).
    ///
    /// - Parameters:
    ///   - student: (B, o, o) probabilities.
    ///   - box: (B, o, o); outside of it nothing is compared.
    package func loss(_ student: Tensor, _ batch: Batch, box: Tensor) -> Tensor {
        maskLoss(student, batch.target, box: box) * batch.weight.selecting(1, 0)
    }

    /// What is by chance in a batch.
    private struct Draw {
        let front: [Int]
        let back: [Int]
        /// (B, 2, 3) of maps from the picture to the front crop, both −1 to 1.
        private var maps: [Float] = []
        private var isOnGround: [Float] = []

        init(count: Int, _ settings: Composites, using generator: inout Generator) {
            func number(_ range: ClosedRange<Double>) -> Double {
                range.lowerBound + generator.unit() * (range.upperBound - range.lowerBound)
            }
            let step = 1 + Int(generator.unit() * Double(count - 1))
            let others = (0..<count).map { ($0 + step) % count }
            for _ in 0..<count {
                let isOnGround = generator.unit() < settings.groundShare
                let (scale, shift) = (number(settings.scale), number(settings.shift))
                let angle = number(0...2 * .pi)
                let size = isOnGround ? 1 : 1 / scale
                let length = isOnGround ? 0 : 2 * shift
                let (x, y) = (length * cos(angle), length * sin(angle))
                maps += [size, 0, -x * size, 0, size, -y * size].map(Float.init)
                self.isOnGround.append(isOnGround ? 1 : 0)
            }
            let own = isOnGround.map { $0 == 1 }
            front = others.indices.map { own[$0] ? $0 : others[$0] }
            back = others.indices.map { own[$0] ? others[$0] : $0 }
        }

        func grid(side: Int, device: Device) -> Tensor {
            affineGrid(
                Tensor(maps, [front.count, 2, 3], device: device),
                shape: [front.count, 4, side, side])
        }

        func onGround(device: Device) -> Tensor {
            Tensor(isOnGround, [front.count, 1, 1], device: device)
        }
    }
}
