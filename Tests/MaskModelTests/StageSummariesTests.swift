import MaskModel
import TestSupport
import Testing
import Torch

/// The larger of a relative and an absolute distance of two numbers.
func expectSummary(
    _ tensor: Tensor, _ summary: Any?, tolerance: Double = 1e-4, _ name: String,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let summary = try #require(summary as? [String: Any], "\(name)")
    #expect(tensor.shape == summary["shape"] as? [Int], sourceLocation: sourceLocation)
    let flat = tensor.to(.float64).flattened(from: 0)
    // An error of `tolerance` in each element, all of one sign, at most.
    let budget = tolerance * Double(tensor.count).squareRoot() * 10
    func number(_ key: String) -> Double { summary[key] as? Double ?? .nan }
    let sum = Double(flat.sum().item())
    let absolute = Double(flat.abs().sum().item())
    #expect(abs(sum - number("sum")) < max(budget, 1e-6 * absolute), "\(name) sum")
    #expect(abs(absolute - number("abs_sum")) < max(budget, 1e-5 * absolute), "\(name) abs")
    let squares = Double(flat.squared().sum().item())
    #expect(abs(squares - number("sq_sum")) < 1e-4 * squares, "\(name) squares")
    #expect(abs(Double(flat.amin().item()) - number("min")) < tolerance, "\(name) min")
    #expect(abs(Double(flat.amax().item()) - number("max")) < tolerance, "\(name) max")
    let first = (summary["first"] as? [Double] ?? []).map(Float.init)
    let last = (summary["last"] as? [Double] ?? []).map(Float.init)
    let values = flat.floats()
    expectClose(
        Tensor(Array(values.prefix(first.count)), [first.count]),
        Tensor(first, [first.count]), tolerance: tolerance, name,
        sourceLocation: sourceLocation)
    expectClose(
        Tensor(Array(values.suffix(last.count)), [last.count]), Tensor(last, [last.count]),
        tolerance: tolerance, name, sourceLocation: sourceLocation)
}

/// Sums and ends of stage outputs that are too large to be fixtures.
@Suite struct StageSummariesTests {
    @Test("stages of ViT-tiny sum up to the reference's", arguments: [64, 128])
    func stages(size: Int) throws {
        let all = try jsonObjectFixture("stage_summaries.json")
        let summaries = try #require(all["vit_tiny16_c\(size)"] as? [String: Any])
        let network = try formulaNetwork(.init(backbone: .tiny()), prefix: "student.")
        let batch = try tensorFixture("batch_c\(size)_0.safetensors")
        let image = try #require(batch["image"])
        let areas = areas(try #require(batch["bbox"]))
        let backbone = try #require(network.backbone.transformer)
        try withoutGradients {
            let patches = backbone.patches(image)
            try expectSummary(
                patches.permuted(0, 2, 3, 1), summaries["patch_embed_nhwc"], "patches")
            let embedded = backbone.embedded(patches)
            try expectSummary(embedded, summaries["tokens_in"], "tokens_in")
            try expectSummary(
                backbone.blocks[0](consuming: embedded), summaries["block0_out"], "block0_out")
            try expectSummary(backbone.tokens(image), summaries["feat"], "feat")
            let features = backbone(image)
            for (index, bucket) in SizeBucket.allCases.enumerated() {
                let rows = areas.indices.filter {
                    SizeBucket(area: areas[$0], border: .neither) == bucket
                }
                let side = features.size(2) * [1, 2, 4][index] / 2
                let scaled = interpolate(
                    features.rows(rows), height: side, width: side, .bilinear)
                try expectSummary(scaled, summaries["mask_head_in_\(index)"], "in \(index)")
                let values = network.maskHead(scaled)
                try expectSummary(values, summaries["mask_head_out_\(index)"], "out \(index)")
            }
            try expectSummary(network(image: image, areas: areas), summaries["seg"], "seg")
        }
    }

    @Test("the formula's own test vectors hold")
    func formula() throws {
        for (name, vector) in try jsonObjectFixture("formula_vectors.json") {
            let vector = try #require(vector as? [String: Any])
            let hash = FormulaWeights.hash(name)
            #expect(String(hash) == vector["fnv"] as? String)
            let values = (0..<6).map { FormulaWeights.value(hash, $0) }
            // Foundation reads the last bit of some numbers wrong.
            let expected = try #require(vector["v"] as? [Double])
            #expect(zip(values, expected).allSatisfy { abs($0 - $1) < 1e-15 })
        }
    }
}
