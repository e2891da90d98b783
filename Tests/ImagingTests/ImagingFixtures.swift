import Imaging
import TestSupport

extension SafetensorsFixture {
    func image(_ name: String) -> RGBImage? {
        self[name].map {
            RGBImage(size: Size(height: $0.shape[0], width: $0.shape[1]), pixels: $0.bytes)
        }
    }

    func mask(_ name: String) -> Mask? {
        self[name].map {
            Mask(size: Size(height: $0.shape[0], width: $0.shape[1]), pixels: $0.bytes)
        }
    }
}

extension CropWindow {
    init(_ corners: [Int]) {
        self.init(minX: corners[0], minY: corners[1], maxX: corners[2], maxY: corners[3])
    }
}

extension Box {
    init(_ corners: [Double]) {
        self.init(minX: corners[0], minY: corners[1], maxX: corners[2], maxY: corners[3])
    }
}

/// `data_meta.json`.
struct DataMeta: Decodable {
    struct WrapBoxes: Decodable {
        let imageId: Int
        let boxes: [String: [Int]]
    }
    struct Crop: Decodable {
        let id: Int
        let imageId: Int
        let bbox: [Double]
        let testExt: [Int]
        let trainExt: [Int]
        let rand4: [Double]
        let rand2: [Double]
    }
    let wrapBoxes: WrapBoxes
    let crops: [Crop]
}

/// A deterministic noise image.
func noiseImage(_ size: Size, seed: UInt64 = 1) -> RGBImage {
    RGBImage(size: size, pixels: noise(size.height * size.width * 3, seed: seed))
}

func noiseMask(_ size: Size, seed: UInt64 = 1) -> Mask {
    Mask(size: size, pixels: noise(size.height * size.width, seed: seed).map { $0 & 1 })
}

func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}
