import Foundation
import Imaging
import Inference
import Specs
import Testing
import TestSupport
import Training

@Suite("Training samples against the reference")
struct TrainingSampleTests {
    struct Meta: Decodable {
        struct Crop: Decodable {
            let id: Int
            let imageId: Int
            let bbox: [Double]
            let trainExt: [Int]
            let rand4: [Double]
            let rand2: [Double]
        }
        let crops: [Crop]
    }

    @Test("crops and masks for recorded random numbers")
    func crops() throws {
        let meta = try jsonFixture("data_meta.json", as: Meta.self)
        let decoded = try SafetensorsFixture("data_decoded.safetensors")
        let expected = try SafetensorsFixture("data_crops_c64.safetensors")
        #expect(meta.crops.count == 13)
        for crop in meta.crops {
            let margins = Margins.train(
                from: 0, to: 1.2,
                sides: (crop.rand4[0], crop.rand4[1], crop.rand4[2], crop.rand4[3]),
                gates: (crop.rand2[0], crop.rand2[1]))
            let sample = try TrainingSample(
                box: box(crop.bbox), image: try #require(decoded.image("\(crop.imageId)")),
                draw: TrainingDraw(
                    margins: margins, isMirrored: false, augmentation: AugmentationDraw()),
                cropSize: 64)
            #expect(sample.teacherImage == expected.image("\(crop.id).train.image"), "\(crop.id)")
            #expect(sample.mask == expected.mask("\(crop.id).train.mask"), "\(crop.id)")
            #expect(sample.image == sample.teacherImage)
        }
    }

    @Test(
        "whole batches: student, teacher and mask, to the last bit",
        arguments: ["c64_0", "c64_1", "c64_2", "c64_edge", "c128_0"])
    func batches(name: String) throws {
        let batch = try SafetensorsFixture("batch_\(name).safetensors")
        let decoded = try SafetensorsFixture("data_decoded.safetensors")
        let images = try jsonFixture("coco/instances.json", as: Instances.self).imageByAnnotation
        let augmentations = try #require(recordedAugmentations[name.replacing("c128", with: "c64")])
        let ids = try #require(batch["id"]).integers
        let boxes = try #require(batch["bbox"]).floats
        let margins = try #require(batch["margins"]).doubles
        let flips = try #require(batch["flip_records"]).integers
        let shape = try #require(batch["image"]).shape
        let side = shape[3]
        var student: [Float] = []
        var teacher: [Float] = []
        var masks: [Float] = []
        #expect(augmentations.count == ids.count)
        for (index, id) in ids.enumerated() {
            let m = margins[index * 4..<index * 4 + 4].map { $0 }
            let image = try #require(images[id].flatMap { decoded.image("\($0)") })
            let sample = try TrainingSample(
                box: box(boxes[index * 4..<index * 4 + 4].map(Double.init)), image: image,
                draw: TrainingDraw(
                    margins: Margins(left: m[0], top: m[1], right: m[2], bottom: m[3]),
                    isMirrored: flips[index] == 1, augmentation: augmentations[index]),
                cropSize: side)
            student += normalized(sample.image)
            teacher += normalized(sample.teacherImage)
            masks += sample.mask.pixels.map(Float.init)
        }
        #expect(teacher == batch["timage"]?.floats)
        #expect(masks == batch["mask"]?.floats)
        #expect(student == batch["image"]?.floats)
    }

    @Test("a true mask is cut out as its image is: mirrored, and over the image's edges")
    func truth() throws {
        let size = Size(height: 40, width: 52)
        var random = SystemlessGenerator(state: 3)
        let pixels = (0..<40 * 52).map { _ in UInt8(random.next() % 2) }
        let truth = Mask(size: size, pixels: pixels)
        let image = RGBImage(size: size, pixels: pixels.flatMap { [$0 * 255, 0, 0] })
        for (x, y) in [(15.0, 12.0), (0, 0), (36, 24)] {
            for isMirrored in [false, true] {
                // A window of 33 × 33 pixels, so that nothing is resized.
                let sample = try TrainingSample(
                    box: Box(minX: x, minY: y, maxX: x + 16, maxY: y + 16), truth: truth,
                    image: image,
                    draw: TrainingDraw(
                        margins: Margins(left: 1, top: 1, right: 1, bottom: 1),
                        isMirrored: isMirrored, augmentation: AugmentationDraw(isGrayscale: true)),
                    cropSize: 33)
                let expected = (0..<33 * 33).map { place in
                    let column = isMirrored ? 32 - place % 33 : place % 33
                    let (left, top) = (Int(x) - 8 + column, Int(y) - 8 + place / 33)
                    return pixels[(top + 40) % 40 * 52 + (left + 52) % 52]
                }
                #expect(sample.truth?.pixels == expected, "\(x) \(y) \(isMirrored)")
                let red = stride(from: 0, to: 33 * 33 * 3, by: 3).map {
                    sample.teacherImage.pixels[$0] / 255
                }
                #expect(red == expected, "\(x) \(y) \(isMirrored)")
            }
        }
    }

    @Test("draws depend on the generator alone and fill their ranges")
    func draws() {
        let settings = TrainingSampleSettings(cropSize: 64, marginRate: 0.2...1)
        var first = SystemlessGenerator(state: 5)
        var second = SystemlessGenerator(state: 5)
        var mirrored = 0
        for _ in 0..<2000 {
            let draw = TrainingDraw(settings, using: &first)
            #expect(draw == TrainingDraw(settings, using: &second))
            if draw.isMirrored { mirrored += 1 }
            for margin in [
                draw.margins.left, draw.margins.top, draw.margins.right, draw.margins.bottom,
            ] {
                #expect(margin >= 0 && margin < 1)
            }
        }
        #expect((900...1100).contains(mirrored))
    }

    private func box(_ corners: [Double]) -> Box {
        Box(minX: corners[0], minY: corners[1], maxX: corners[2], maxY: corners[3])
    }

    /// (3, S, S) as the network takes it (SPEC §3.4, step 4).
    private func normalized(_ image: RGBImage) -> [Float] {
        let means: [Float] = [0.485, 0.456, 0.406]
        let deviations: [Float] = [0.229, 0.224, 0.225]
        return (0..<3).flatMap { channel in
            stride(from: channel, to: image.pixels.count, by: 3).map {
                (Float(image.pixels[$0]) / 255 - means[channel]) / deviations[channel]
            }
        }
    }
}

private struct Instances: Decodable {
    struct Annotation: Decodable {
        let id: Int
        let imageId: Int
    }
    let annotations: [Annotation]

    var imageByAnnotation: [Int: Int] {
        Dictionary(uniqueKeysWithValues: annotations.map { ($0.id, $0.imageId) })
    }
}

/// SplitMix64, so that the test needs no generator of the code under test.
struct SystemlessGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension SafetensorsFixture {
    fileprivate func image(_ name: String) -> RGBImage? {
        self[name].map {
            RGBImage(size: Size(height: $0.shape[0], width: $0.shape[1]), pixels: $0.bytes)
        }
    }

    fileprivate func mask(_ name: String) -> Mask? {
        self[name].map {
            Mask(size: Size(height: $0.shape[0], width: $0.shape[1]), pixels: $0.bytes)
        }
    }
}

extension SafetensorsFixture.Entry {
    fileprivate var integers: [Int] { values(as: Int64.self).map(Int.init) }
    fileprivate var doubles: [Double] { values(as: Double.self) }

    private func values<Value>(as type: Value.Type) -> [Value] {
        bytes.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count, by: MemoryLayout<Value>.size).map {
                raw.loadUnaligned(fromByteOffset: $0, as: Value.self)
            }
        }
    }
}

/// What the student's images of the batches went through. The manifest records the seeds only:
/// these are the numbers that torch's (mirror, jitter, grey, whether to blur) and Python's (radius)
/// generators give for them, found by replaying both.
private let recordedAugmentations: [String: [AugmentationDraw]] = [
    "c64_0": [
        AugmentationDraw(adjustments: [
            .brightness(1.2398868799209595), .hue(0.013901698403060436),
            .contrast(0.9177098870277405), .saturation(1.1017488241195679),
        ]),
        AugmentationDraw(blurRadius: 1.7101241001807421),
        AugmentationDraw(),
        AugmentationDraw(
            adjustments: [
                .contrast(1.0191526412963867), .hue(0.05435366556048393),
                .saturation(1.1192256212234497), .brightness(0.8718206286430359),
            ], isGrayscale: true),
    ],
    "c64_1": [
        AugmentationDraw(
            adjustments: [
                .contrast(0.9540261030197144), .brightness(1.095229148864746),
                .saturation(0.8383074402809143), .hue(0.022831439971923828),
            ], isGrayscale: true),
        AugmentationDraw(
            adjustments: [
                .hue(0.09617181122303009), .contrast(0.7640273571014404),
                .brightness(1.1692779064178467), .saturation(0.9231131076812744),
            ], isGrayscale: true, blurRadius: 1.900872225412764),
        AugmentationDraw(),
        AugmentationDraw(adjustments: [
            .hue(0.004926228430122137), .saturation(1.131629228591919),
            .brightness(0.7404071092605591), .contrast(1.094139575958252),
        ]),
    ],
    "c64_2": [
        AugmentationDraw(
            adjustments: [
                .contrast(1.217492699623108), .brightness(0.648093044757843),
                .saturation(1.0974798202514648), .hue(0.018884241580963135),
            ], blurRadius: 1.1340355280623087),
        AugmentationDraw(
            adjustments: [
                .contrast(1.3593462705612183), .brightness(0.7404841780662537),
                .hue(0.07497125118970871), .saturation(1.1389274597167969),
            ], blurRadius: 1.2474480733327695),
        AugmentationDraw(
            adjustments: [
                .brightness(1.079758882522583), .hue(-0.04782407358288765),
                .contrast(0.6970042586326599), .saturation(0.8459183573722839),
            ], blurRadius: 0.2245048325556449),
        AugmentationDraw(
            adjustments: [
                .saturation(1.0329688787460327), .hue(-0.014335894957184792),
                .brightness(0.8127250075340271), .contrast(1.0076950788497925),
            ], blurRadius: 1.691191255983274),
    ],
    "c64_edge": [
        AugmentationDraw(isGrayscale: true, blurRadius: 0.29601546503836),
        AugmentationDraw(adjustments: [
            .hue(0.08525208383798599), .saturation(0.8859313130378723),
            .contrast(0.8551297187805176), .brightness(1.3795108795166016),
        ]),
        AugmentationDraw(blurRadius: 0.3944473145245795),
    ],
]
