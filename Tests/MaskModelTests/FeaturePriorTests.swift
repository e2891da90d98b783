import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct FeaturePriorTests {
    static let side = 8
    static let box = 2..<7
    /// A disc inside the box; its corners show what is outside.
    static func isObject(_ y: Int, _ x: Int) -> Bool {
        let (dy, dx) = (Double(y) - 4, Double(x) - 4)
        return dy * dy + dx * dx <= 5
    }

    /// Object and surroundings point in two directions; `swapped` tells which is which.
    private func features(swapped: Bool) -> [Float] {
        let side = Self.side
        return (0..<4).flatMap { channel in
            (0..<side * side).map { place -> Float in
                let isObject = Self.isObject(place / side, place % side)
                let own: Float = (channel == 0) == (isObject != swapped) && channel < 2 ? 3 : 0
                // A little of everything, so that no two tokens are quite equal.
                return own + Float((place * 7 + channel * 5) % 11) / 30
            }
        }
    }

    private func boxMask() -> [Float] {
        (0..<Self.side * Self.side).map {
            Self.box.contains($0 / Self.side) && Self.box.contains($0 % Self.side) ? 1 : 0
        }
    }

    @Test("it finds what in the box is unlike the outside, whatever it looks like")
    func object() {
        let side = Self.side
        let guess = FeaturePrior()(
            features: Tensor(
                features(swapped: false) + features(swapped: true), [2, 4, side, side]),
            mask: Tensor(boxMask() + boxMask(), [2, 1, side, side])
        ).floats()
        for (index, value) in guess.enumerated() {
            let (y, x) = (index / side % side, index % side)
            guard Self.box.contains(y), Self.box.contains(x) else {
                #expect(value == 0, "row \(y), column \(x)")
                continue
            }
            #expect((value > 0.5) == Self.isObject(y, x), "row \(y), column \(x): \(value)")
        }
    }

    @Test("a box that fills its crop, or none at all, gives numbers")
    func edges() {
        let side = Self.side
        for fill: Float in [0, 1] {
            let guess = FeaturePrior()(
                features: Tensor(features(swapped: false), [1, 4, side, side]),
                mask: Tensor([Float](repeating: fill, count: side * side), [1, 1, side, side])
            ).floats()
            #expect(guess.allSatisfy { $0 >= 0 && $0 <= fill })
        }
    }
}
