import Foundation
import Imaging
import Inference
import MaskModel
import Specs
import Testing
import TestSupport
import Torch
import Training

@Suite("Confidence")
struct ConfidenceTests {
    /// Features of a 32 × 32 crop whose box is its middle 20 × 20.
    func features(
        side: Int = 32, neighbours: [Box] = [], probability: (_ x: Int, _ y: Int) -> Float
    ) -> [String: Float] {
        let scale = side / 32
        func isInBox(_ place: Int) -> Bool {
            (6 * scale..<26 * scale).contains(place % side)
                && (6 * scale..<26 * scale).contains(place / side)
        }
        let boxMask = (0..<side * side).map { isInBox($0) ? UInt8(1) : 0 }
        let values = (0..<side * side).map {
            isInBox($0) ? probability($0 % side / scale, $0 / side / scale) : 0
        }
        let pixels = values.flatMap { value in
            [UInt8](repeating: value > 0.5 ? 220 : 30, count: 3)
        }
        let found = values.withUnsafeBufferPointer { values in
            boxMask.withUnsafeBufferPointer { boxMask in
                pixels.withUnsafeBufferPointer { pixels in
                    MaskFeatures(
                        probabilities: values, boxMask: boxMask, pixels: pixels, side: side,
                        threshold: 0.5, box: Box(minX: 10, minY: 10, maxX: 30, maxY: 30),
                        imageSize: Size(height: 100, width: 100), neighbours: neighbours,
                        contrast: [Float](repeating: .nan, count: TokenContrast.names.count),
                        token: 0)
                }
            }
        }
        #expect(found.values.count == MaskFeatures.names.count)
        #expect(found.values.allSatisfy { $0.isFinite })
        return Dictionary(uniqueKeysWithValues: zip(MaskFeatures.names, found.values))
    }

    @Test("A sure mask that fills its box", arguments: [32, 320])
    func sure(side: Int) {
        let found = features(side: side) { _, _ in 1 }
        #expect(found["certainty"] == 1)
        #expect(found["soft_iou"] == 1)
        #expect(found["stability"] == 1)
        #expect(found["fill"] == 1)
        #expect(found["gap"] == 0)
        #expect(found["cut"] == 1)
        #expect(found["islands"] == 0)
        #expect(found["color_separation"]! > 0.99)
        #expect(abs(found["log_area"]! - 8.643856) < 1e-4)
    }

    @Test("A mask that misses a side, in two pieces, with a hole, is seen as that")
    func flawed() {
        let found = features { x, y in
            if x < 10 || (16..<18).contains(y) { return 0.1 }
            return (20...21).contains(x) && (20...21).contains(y) ? 0.3 : 0.8
        }
        #expect(found["worst_gap"] == 0.2)
        #expect(found["gap"] == 0.05)
        #expect(found["islands"]! > 0.4)
        #expect(found["holes"]! > 0)
        #expect(found["stability"]! < 1)
    }

    @Test("An empty crop, and one of NaN, have features too")
    func empty() {
        #expect(features { _, _ in 0 }["fill"] == 0)
        #expect(features { _, _ in .nan }["certainty"] == 0)
    }

    @Test("A smaller box in front covers its share of box and mask")
    func covered() {
        let other = Box(minX: 20, minY: 10, maxX: 30, maxY: 30)
        let found = features(neighbours: [other]) { x, _ in x < 16 ? 1 : 0 }
        #expect(found["covered"] == 0.5)
        #expect(found["mask_covered"] == 0)
        #expect(found["overlap"] == 0.5)
    }

    @Test("The correction keeps the order and stays in 0…1")
    func correction() throws {
        let model = try #require(
            ConfidenceModel(
                json: """
                    {"bias": 0, "knots": [[0.2, 0.1], [0.5, 0.6], [0.8, 0.6]], "terms":
                    [{"feature": "fill", "mean": 0.5, "deviation": 0.1, "weight": 2}]}
                    """))
        func score(_ fill: Float) -> Double {
            var values = [Float](repeating: 0, count: MaskFeatures.names.count)
            values[MaskFeatures.names.firstIndex(of: "fill")!] = fill
            return model.score(MaskFeatures(values: values))
        }
        #expect(score(0.5) == 0.6)
        #expect(score(0) == 0.1)
        #expect(score(.nan) == 0.6)
        let all = stride(from: Float(0), through: 1, by: 0.05).map(score)
        #expect(all == all.sorted())
        #expect(score(1) == 0.6)
    }

    @Test("The tiny model's masks have numbers of their own, all others the default one's")
    func fits() {
        func fit(_ arch: String?) -> String {
            ConfidenceModel.nearest(toArchitecture: arch).json
        }
        let (standard, tiny) = (ConfidenceModel.standard, ConfidenceModel.tiny)
        #expect(fit("vit-deit-tiny/16") == tiny.json)
        #expect(fit("vit-dinov2-small/14") == standard.json && fit(nil) == standard.json)
        let values = MaskFeatures(values: .init(repeating: 0.5, count: MaskFeatures.names.count))
        #expect(tiny.score(values) != standard.score(values))
    }

    @Test("A model file's own numbers go before those of its architecture")
    func ownFit() throws {
        let folder = try TemporaryFolder()
        func model(_ fit: String, key: String = "score_fit") throws -> LabelingModel {
            let path = folder.path + "/own.safetensors"
            try CheckpointConversion.convert(
                try ModelFiles.path(for: "tiny"), to: path,
                metadata: ["confidence": Self.plainFit].merging([key: fit]) { $1 }, version: "")
            return try LabelingModel(
                checkpoint: path, spec: Spec.standard.model, onEvent: { _ in })
        }
        let shipped = try LabelingModel(
            checkpoint: "tiny", spec: Spec.standard.model, onEvent: { _ in })
        #expect(shipped.confidence.json == shipped.metadata["score_fit"])
        let fit = Self.plainFit.replacingOccurrences(of: "0.5", with: "0.25")
        #expect(try model(fit).confidence.json == fit)
        #expect(try model(fit, key: "confidence").confidence.json == shipped.confidence.json)
        for bad in ["", "{}", fit.replacingOccurrences(of: "[1,1]", with: "[0,1]")] {
            #expect(throws: CheckpointError.self) { try model(bad) }
        }
    }

    private static let plainFit = #"{"bias":0.5,"terms":[],"knots":[[0,0],[1,1]]}"#

    @Test("A mean token counts only for the network that its weights were fitted to")
    func token() throws {
        let fit = try #require(
            ConfidenceModel(
                json: Self.plainFit.replacingOccurrences(
                    of: "\"bias\"", with: "\"token\":[1,-2],\"bias\"")))
        #expect(fit.tokenScore([3, 0.5]) == 2)
        #expect(fit.tokenScore([3, 0.5, 1]) == 0)
        #expect(try #require(ConfidenceModel(json: Self.plainFit)).tokenScore([3, 0.5]) == 0)
        #expect(ConfidenceModel.standard.tokenScore([Float](repeating: 1, count: 384)) == 0)
    }

    @Test("AUROC, calibration error and bins of a small table")
    func table() throws {
        #expect(ConfidenceTable([]) == nil)
        let table = try #require(
            ConfidenceTable([(0.15, 0.1), (0.35, 0.6), (0.35, 0.4), (0.95, 0.9), (1, 1)]))
        // Of the six pairs of a bad and a good mask five are in order and one is a tie.
        #expect(abs(table.auroc! - 5.5 / 6) < 1e-12)
        #expect(table.bins.map(\.count) == [1, 2, 2])
        #expect(abs(table.calibrationError - (0.05 + 2 * 0.15 + 2 * 0.025) / 5) < 1e-12)
        #expect(ConfidenceTable([(0.5, 0.9)])?.auroc == nil)
    }
}
