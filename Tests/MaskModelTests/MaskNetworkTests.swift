import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct MaskNetworkTests {
    let tiny = MaskNetworkConfiguration(backbone: .tiny())

    @Test("every stage of ViT-tiny is the reference's", arguments: [64, 128])
    func stages(size: Int) throws {
        let fixtures = try tensorFixture("vit_tiny16_c\(size).safetensors")
        let batch = try tensorFixture("batch_c\(size)_0.safetensors")
        try compareStages(
            student: formulaNetwork(tiny, prefix: "student."),
            teacher: formulaNetwork(tiny, prefix: "teacher."), batch, fixtures)
    }

    @Test("every stage of the small checkpoint is the reference's")
    func micro() throws {
        let weights = try tensorFixture("micro_vit_init.safetensors")
        let configuration = microConfiguration(.patchConv)
        try compareStages(
            student: MaskNetwork(
                configuration, parameters: tensors(weights, below: "student.")),
            teacher: MaskNetwork(
                configuration, parameters: tensors(weights, below: "teacher.")),
            tensorFixture("batch_c64_0.safetensors"),
            tensorFixture("micro_vit_c64.safetensors"))
    }

    private func compareStages(
        student: MaskNetwork, teacher: MaskNetwork, _ batch: [String: Tensor],
        _ fixtures: [String: Tensor]
    ) throws {
        let image = try #require(batch["image"])
        let areas = areas(try #require(batch["bbox"]))
        let backbone = try #require(student.backbone.transformer)
        let patches = backbone.patches(image)
        expect(patches.permuted(0, 2, 3, 1), fixtures, "patch_embed_nhwc")
        let embedded = backbone.embedded(patches)
        if fixtures["tokens_in"] != nil {
            expect(embedded, fixtures, "tokens_in")
            expect(backbone.blocks[0](consuming: embedded), fixtures, "block0_out")
        }
        expect(backbone.tokens(image), fixtures, "feat")
        let features = backbone(image)
        expect(features, fixtures, "spatial_feat")
        expect(student.roiHead(features), fixtures, "roi_feat")
        for (bucket, scale) in [0.5, 1, 2].enumerated() {
            let rows = areas.indices.filter {
                SizeBucket(area: areas[$0], border: .neither)?.rawValue == bucket
            }
            let side = Int(Double(features.size(2)) * scale)
            let scaled = interpolate(features.rows(rows), height: side, width: side, .bilinear)
            if fixtures["mask_head_in_\(bucket)"] != nil {
                expect(scaled, fixtures, "mask_head_in_\(bucket)")
            }
            if fixtures["mask_head_out_\(bucket)"] != nil {
                expect(student.maskHead(scaled), fixtures, "mask_head_out_\(bucket)")
            }
        }
        let logits = withoutGradients { student(image: image, areas: areas) }
        expect(logits, fixtures, "seg")
        expect(logits.sigmoid(), fixtures, "sigmoid")
        let clean = try #require(batch["timage"])
        expect(teacher(image: clean, areas: areas), fixtures, "teacher_seg")
    }

    /// The manifest's tolerance for forward stages: float32 sums in another order.
    private func expect(
        _ tensor: Tensor, _ fixtures: [String: Tensor], _ name: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        expectClose(
            tensor, fixtures[name], tolerance: 1e-4, name, sourceLocation: sourceLocation)
    }

    @Test("a network in int8 gives logits near float32's, alone as in a batch")
    func int8() throws {
        let weights = tensors(
            try tensorFixture("micro_vit_trained.safetensors"), below: "student.")
        let batch = try tensorFixture("batch_c64_0.safetensors")
        let image = try #require(batch["image"])
        let areas = areas(try #require(batch["bbox"]))
        let configuration = microConfiguration(.patchConv)
        func logits(_ factors: DType, _ rows: Range<Int>) throws -> Tensor {
            let network = try MaskNetwork(configuration, parameters: weights, factors: factors)
            return withoutGradients {
                network(image: image.narrowed(0, rows), areas: Array(areas[rows]))
            }
        }
        let expected = try logits(.float32, areas.indices)
        let made = try logits(.int8, areas.indices)
        let difference = (made - expected).abs().mean().item() / expected.abs().mean().item()
        #expect(difference > 0 && difference < 0.03)
        let alone = try logits(.int8, 1..<2)
        expectClose(alone, made.narrowed(0, 1..<2).contiguous(), tolerance: 1e-4)
    }

    @Test("objects whose area is a bucket's end keep logits 0")
    func edge() throws {
        let fixtures = try tensorFixture("vit_tiny16_edge.safetensors")
        let batch = try tensorFixture("batch_c64_edge.safetensors")
        let network = try formulaNetwork(tiny, prefix: "student.")
        let image = try #require(batch["image"])
        let areas = areas(try #require(batch["bbox"]))
        #expect(areas[0] == 1024 && areas[1] == 9216)
        let logits = network(image: image, areas: areas)
        expect(logits, fixtures, "seg")
        #expect(logits.rows([0, 1]).floats().allSatisfy { $0 == 0 })
    }

    @Test("a batch with no object in any bucket gives zeros")
    func nothing() throws {
        let network = MaskNetwork(ParameterStore(seed: 1).root, microConfiguration(.patchConv))
        let logits = network(image: .ones([2, 3, 32, 32]), areas: [0, 9216])
        #expect(logits.shape == [2, 1, 8, 8])
        #expect(logits.floats().allSatisfy { $0 == 0 })
    }

    @Test("without buckets the logits are twice as large")
    func notAdjusted() throws {
        var configuration = tiny
        configuration.adjustsScale = false
        let network = try formulaNetwork(configuration, prefix: "student.")
        let batch = try tensorFixture("batch_c64_0.safetensors")
        let image = try #require(batch["image"])
        let logits = network(image: image, areas: [1, 1, 1, 1])
        expect(logits, try tensorFixture("vit_tiny16_not_adjust.safetensors"), "seg")
        #expect(configuration.logitsSide(cropSize: 64) == 32)
        #expect(tiny.logitsSide(cropSize: 64) == 16)
    }

    @Test("a row's logits do not depend on the rest of the batch")
    func rowOrder() {
        let network = MaskNetwork(ParameterStore(seed: 1).root, microConfiguration(.patchConv))
        var generator = Generator(seed: 2)
        let image = Tensor.drawn([5, 3, 64, 64]) { generator.normal() }
        let areas: [Float] = [1e5, 100, 9216, 2000, 50]
        let logits = network(image: image, areas: areas)
        for row in areas.indices {
            let alone = network(image: image.rows([row]), areas: [areas[row]])
            expectClose(logits.rows([row]), alone, tolerance: 1e-5, "row \(row)")
        }
    }

    @Test("a classification head is ignored, anything else unknown is refused by name")
    func strict() throws {
        let weights = try tensorFixture("micro_vit_init.safetensors")
        var parameters = tensors(weights, below: "student.")
        #expect(parameters["backbone.head.weight"] != nil)
        _ = try MaskNetwork(microConfiguration(.patchConv), parameters: parameters)
        parameters["backbone.extra"] = .ones([1])
        parameters["roi_head.mlp1.bias"] = nil
        parameters["backbone.norm.weight"] = .ones([47])
        let mismatch = ParameterMismatch(
            missing: ["roi_head.mlp1.bias"], unexpected: ["backbone.extra"],
            misshaped: [.init(name: "backbone.norm.weight", expected: [48], found: [47])])
        #expect(throws: TorchError.parameterMismatch(mismatch)) {
            try MaskNetwork(microConfiguration(.patchConv), parameters: parameters)
        }
    }

    @Test("autocast gives logits in its type, near those of float32")
    func autocasting() {
        let network = MaskNetwork(ParameterStore(seed: 1).root, microConfiguration(.patchConv))
        var generator = Generator(seed: 2)
        let image = Tensor.drawn([3, 3, 64, 64]) { generator.normal() }
        let areas: [Float] = [1e5, 0, 100]
        let exact = network(image: image, areas: areas)
        for dtype in [DType.bfloat16, .float16] {
            let logits = withoutGradients {
                autocast(dtype, on: .cpu) { network(image: image, areas: areas) }
            }
            #expect(logits.dtype == dtype)
            let scale = Double(exact.abs().amax().item())
            expectClose(logits, exact, tolerance: 0.1 * scale)
        }
    }

    @Test("memory lost in the middle is thrown, and the network works on")
    func outOfMemory() throws {
        let network = MaskNetwork(ParameterStore(seed: 1).root, microConfiguration(.convStem))
        // 2 M images of one pixel's memory, whose feature maps would need terabytes.
        let absurd = 1 << 21
        let images = Tensor.zeros([1, 3, 1, 1]).expanded(absurd, -1, 512, 512)
        var shape: [Int] = []
        let error = #expect(throws: TorchError.self) {
            try withoutGradients {
                try withRecoverableMemory {
                    // Not the whole network, which takes few images at a time.
                    shape = network.backbone(images).shape
                }
            }
        }
        guard case .outOfMemory = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(shape.first == absurd)
        let logits = network(image: .ones([1, 3, 32, 32]), areas: [500])
        #expect(logits.isFinite)
    }

    @Test("crop sizes that fit no grid are refused")
    func cropSizes() throws {
        let small = MaskNetworkConfiguration(backbone: .small(patch: 14, .dinov2))
        try small.validate(cropSize: 224)
        #expect(throws: MaskModelError.invalidCropSize(512, rule: "a multiple of 14")) {
            try small.validate(cropSize: 512)
        }
        #expect(throws: MaskModelError.invalidCropSize(14, rule: "28 or more")) {
            try small.validate(cropSize: 14)
        }
        #expect(throws: MaskModelError.invalidCropSize(0, rule: "a multiple of 14")) {
            try small.validate(cropSize: 0)
        }
    }
}
