import MaskModel
import TestSupport
import Testing
import Torch

@Suite("Fully attentional networks")
struct FullyAttentionalNetworkTests {
    private func network(_ name: String) throws -> FullyAttentionalNetwork {
        try #require(formulaBackbone(BackboneConfiguration(arch: name)).fan)
    }

    @Test("tokens and feature map of every variant are the reference's", arguments: fanNames)
    func variants(_ name: String) throws {
        let fixtures = try tensorFixture("fan_variants.safetensors")
        let image = try #require(fixtures["image"])
        let network = try network(name)
        try withoutGradients {
            // The manifest's tolerance for forward stages.
            expectClose(
                network.tokens(image), fixtures[name + ".tokens_eval_c64"], tolerance: 1e-4, name)
            let summaries = try jsonObjectFixture("fan_summaries.json")
            try expectSummary(network(image), summaries[name], name)
        }
    }

    @Test(
        "every stage is the reference's",
        arguments: ["fan_tiny_12_p16_224", "fan_tiny_8_p4_hybrid"])
    func stages(_ name: String) throws {
        let fixtures = try tensorFixture("fan_variants.safetensors")
        let image = try #require(fixtures["image"]).rows([0])
        let network = try network(name)
        func expect(_ tensor: Tensor, _ stage: String) {
            expectClose(tensor, fixtures["\(name).\(stage)"], tolerance: 1e-4, stage)
        }
        withoutGradients {
            if case .hybrid(let stem, _) = network.patchEmbed { expect(stem(image), "convnext") }
            let patches = network.patchEmbed(image, .running)
            expect(patches.flattened(from: 2).transposed(1, 2), "patch_tokens")
            let positions = network.positions(height: 4, width: 4)
            expect(positions.transposed(0, 1).reshaped(1, -1, 4, 4), "pos")
            let (embedded, grid) = network.embedded(image, .running)
            expect(network.blocks[0](consuming: embedded, grid: grid, .running), "block0")
        }
    }

    @Test(
        "in training the batch's statistics count, and move the running ones once",
        arguments: ["fan_tiny_12_p16_224", "fan_tiny_8_p4_hybrid"])
    func training(_ name: String) throws {
        let fixtures = try tensorFixture("fan_variants.safetensors")
        let image = try #require(fixtures["image"])
        let configuration = try BackboneConfiguration(arch: name)
        let shapes = ParameterStore(loading: [:])
        _ = Backbone(shapes.root, configuration)
        let store = ParameterStore(
            loading: FormulaWeights.tensors(shapes.tensors, prefix: "backbone."))
        let network = FullyAttentionalNetwork(store.root, configuration)
        try store.finishLoading()
        func pass(_ statistics: BatchStatistics) -> Tensor {
            withoutGradients {
                let (embedded, grid) = network.embedded(image, statistics)
                return network.classified(
                    network.blocks.reduce(embedded) { $1(consuming: $0, grid: grid, statistics) })
            }
        }
        let prefix = name + ".after_train."
        let expected = tensors(fixtures, below: prefix)
        #expect(expected.count == 6)
        let before = store.buffers.map { $0.tensor.floats() }
        let repeated = pass(.repeatedBatch)
        #expect(store.buffers.map { $0.tensor.floats() } == before)
        let tokens = pass(.batch)
        expectClose(tokens, fixtures[name + ".tokens_train_c64"], tolerance: 1e-4, name)
        #expect(tokens.floats() == repeated.floats())
        for (key, value) in expected {
            expectClose(try #require(store[key]), value, tolerance: 1e-4, key)
        }
        #expect(store[store.buffers[2].name]?.integers() == [1])
    }

    @Test("a small one with a convolution stem is the reference's")
    func smallConvolutions() throws {
        let file = try tensorFixture("micro_fan_p16.safetensors")
        let weights = tensors(file, below: "w.")
        var configuration = microFAN.backbone
        configuration.stem = []
        let store = ParameterStore(
            loading: weights.filter { !MaskNetwork.isIgnored("backbone." + $0.key) })
        let network = FullyAttentionalNetwork(store.root, configuration)
        try store.finishLoading()
        let tokens = withoutGradients { network.tokens(file["image"]!) }
        expectClose(tokens, file["tokens_eval"], tolerance: 1e-4)
    }

    @Test("the small checkpoint's networks are the reference's")
    func smallHybrid() throws {
        let weights = try tensorFixture("micro_fan_init.safetensors")
        let fixtures = try tensorFixture("micro_fan_train.safetensors")
        let batch = try tensorFixture("batch_c64_0.safetensors")
        let image = try #require(batch["image"])
        let areas = areas(try #require(batch["bbox"]))
        let student = try MaskNetwork(microFAN, parameters: tensors(weights, below: "student."))
        let teacher = try MaskNetwork(microFAN, parameters: tensors(weights, below: "teacher."))
        func expect(_ tensor: Tensor, _ name: String) {
            expectClose(tensor, fixtures["io." + name], tolerance: 1e-4, name)
        }
        try withoutGradients {
            expect(student.backbone.tokens(image), "student_feat_eval")
            expect(student(image: image, areas: areas), "student_seg_eval")
            let clean = try #require(batch["timage"])
            expect(teacher(image: clean, areas: areas), "teacher_seg_eval")
        }
        let pair = try StudentTeacher(microFAN, parameters: weights)
        var generator = Generator(seed: 1)
        let pass = TrainingPass(
            pair, image: image, areas: areas, TrainingOptions(), using: &generator)
        expect(pass.logits.detached(), "student_seg_train")
    }

    @Test("with and without recording the map is the same, and is that of the tokens")
    func inPlace() throws {
        let store = ParameterStore(seed: 1)
        let network = FullyAttentionalNetwork(store.root, microFAN.backbone)
        var generator = Generator(seed: 2)
        let image = Tensor.drawn([2, 3, 64, 96]) { generator.normal() }
        let copy = image.cloned()
        for (_, parameter) in store.parameters { parameter.requiresGradient = true }
        let recorded = network(image)
        #expect(recorded.requiresGradient && recorded.shape == [2, 24, 4, 6])
        let silent = withoutGradients { network(image) }
        expectClose(recorded.detached(), silent, tolerance: 1e-6)
        expectClose(image, copy, tolerance: 0)
        let tokens = network.tokens(image)
        expectClose(
            tokens.narrowed(1, from: 1).detached(), silent.flattened(from: 2).transposed(1, 2),
            tolerance: 1e-6)
        tokens.sum().backward()
        #expect(store.parameters.allSatisfy { $0.tensor.gradient != nil })
    }

    @Test("autocast gives logits near those of float32", arguments: [DType.bfloat16, .float16])
    func autocasting(_ dtype: DType) throws {
        for configuration in [
            microFAN,
            .init(
                backbone: try .init(
                    arch: "fan_tiny_12_p16_224", embedDim: 32, depth: 2, headCount: 4),
                maskHead: microFAN.maskHead),
        ] {
            let network = MaskNetwork(ParameterStore(seed: 1).root, configuration)
            var generator = Generator(seed: 2)
            let image = Tensor.drawn([3, 3, 64, 64]) { generator.normal() }
            let areas: [Float] = [1e5, 0, 100]
            let exact = withoutGradients { network(image: image, areas: areas) }
            let (features, logits) = withoutGradients {
                autocast(dtype, on: .cpu) {
                    (network.backbone(image), network(image: image, areas: areas))
                }
            }
            #expect(features.dtype == .float32)
            #expect(logits.dtype == dtype)
            let scale = Double(exact.abs().amax().item())
            expectClose(logits, exact, tolerance: 0.1 * scale)
        }
    }

    @Test("memory lost in the middle is thrown, and the network works on")
    func outOfMemory() throws {
        for name in ["fan_tiny_12_p16_224", "fan_tiny_8_p4_hybrid"] {
            let configuration = MaskNetworkConfiguration(
                backbone: try .init(arch: name, embedDim: 32, depth: 1, headCount: 4),
                maskHead: microFAN.maskHead)
            let network = MaskNetwork(ParameterStore(seed: 1).root, configuration)
            // 2 M images of one pixel's memory, whose feature maps would need terabytes.
            let absurd = 1 << 21
            let images = Tensor.zeros([1, 3, 1, 1]).expanded(absurd, -1, 512, 512)
            var shape: [Int] = []
            #expect(throws: TorchError.self) {
                try withoutGradients {
                    try withRecoverableMemory {
                        // Not the whole network, which takes few images at a time.
                        shape = network.backbone(images).shape
                    }
                }
            }
            #expect(shape.first == absurd)
            #expect(network(image: .ones([1, 3, 32, 32]), areas: [500]).isFinite)
        }
    }

    @Test("a batch norm needs more than one position")
    func cropSizes() throws {
        var configuration = microFAN
        configuration.adjustsScale = false
        #expect(throws: MaskModelError.invalidCropSize(16, rule: "32 or more")) {
            try configuration.validate(cropSize: 16)
        }
        try configuration.validate(cropSize: 32)
    }

    @Test("the teacher's running statistics stay, or follow when asked")
    func averagedBuffers() throws {
        let pair = try StudentTeacher(
            microFAN, parameters: tensorFixture("micro_fan_init.safetensors"))
        #expect(pair.studentBuffers.count == 6)
        #expect(pair.studentBuffers.allSatisfy { !$0.tensor.requiresGradient })
        for (_, tensor) in pair.studentBuffers {
            tensor.copy(from: .full(tensor.shape, 5))
        }
        let before = pair.teacherBuffers.map { $0.tensor.floats() }
        pair.updateTeacher(momentum: 0.75)
        #expect(pair.teacherBuffers.map { $0.tensor.floats() } == before)
        pair.updateTeacher(momentum: 0.75, includesBuffers: true)
        for (index, (name, tensor)) in pair.teacherBuffers.enumerated() {
            if name.hasSuffix("num_batches_tracked") {
                #expect(tensor.integers() == [5])
            } else {
                let expected = before[index].map { 0.75 * $0 + 0.25 * 5 }
                expectClose(tensor, Tensor(expected, [expected.count]), tolerance: 1e-6, name)
            }
        }
        pair.copyStudentToTeacher()
        #expect(
            pair.teacherBuffers.map { $0.tensor.floats() }
                == pair.studentBuffers.map { $0.tensor.floats() })
    }
}
