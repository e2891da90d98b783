import MaskModel
import Testing
import Torch

@Suite("Token contrast")
struct TokenContrastTests {
    static let side = 8
    static let patch = 4

    /// A crop of 8 × 8 tokens of 4 pixels, whose box is the middle 4 × 4. Tokens of the box's left half
    /// point one way, all others another.
    func values(_ probability: (_ x: Int, _ y: Int) -> Float) -> [String: Float] {
        let (side, patch) = (Self.side, Self.patch)
        let pixels = side * patch
        func isInBox(_ x: Int, _ y: Int) -> Bool { (2..<6).contains(x) && (2..<6).contains(y) }
        let isObject = (0..<side * side).map {
            isInBox($0 % side, $0 / side) && $0 % side < 4
        }
        let features = Tensor(
            isObject.map { $0 ? 5 : 0 } + isObject.map { $0 ? 0 : 7 }, [1, 2, side, side])
        let places = (0..<pixels * pixels).map { ($0 % pixels / patch, $0 / pixels / patch) }
        let box = Tensor(places.map { isInBox($0.0, $0.1) ? 1 : 0 }, [1, 1, pixels, pixels])
        let probabilities = Tensor(
            places.map { isInBox($0.0, $0.1) ? probability($0.0, $0.1) : 0 },
            [1, 1, pixels, pixels])
        let found = TokenContrast.values(of: features, probabilities: probabilities, box: box)
        #expect(found.shape == [1, TokenContrast.names.count + 2])
        #expect(found.floats().allSatisfy { $0.isFinite })
        return Dictionary(
            uniqueKeysWithValues: zip(TokenContrast.names + ["x", "y"], found.floats()))
    }

    @Test("A right mask is unlike the rest of its box, and of one kind")
    func right() {
        let found = values { x, _ in x < 4 ? 1 : 0 }
        #expect(abs(found["cosine_mask_rest"]!) < 1e-3)
        #expect(abs(found["cosine_mask_around"]!) < 1e-3)
        #expect(found["cosine_rest_around"]! > 0.99)
        #expect(found["alike_mask"]! > 0.99)
        #expect(found["like_mask_inside"]! > 0.99)
        #expect(found["like_mask_rest"]! < 0.01)
        #expect(found["x"]! > 0.99 && abs(found["y"]!) < 1e-3)
    }

    @Test("A mask across the object and what is beside it is like the rest")
    func wrong() {
        let found = values { _, y in y < 4 ? 1 : 0 }
        #expect(found["cosine_mask_rest"]! > 0.99)
        #expect(found["alike_mask"]! < 0.8)
        #expect(abs(found["like_mask_inside"]! - 0.5) < 0.01)
    }

    @Test("Without a mask there is nothing to be like")
    func empty() {
        let found = values { _, _ in 0 }
        #expect(abs(found["cosine_mask_rest"]!) < 1e-3)
        #expect(found["like_mask_inside"]! == 0)
    }
}
