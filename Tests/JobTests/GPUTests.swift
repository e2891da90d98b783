import Inference
import MaskModel
import Specs
import Testing
import TestSupport
import Torch
import Training

/// What only a GPU can show; these tests run where there is one.
@Suite("On a GPU", .enabled(if: Device.cudaIsAvailable), .serialized)
struct GPUTests {
    let device = Device.cuda(0)

    private func onDevice(_ batch: TrainingTensors) -> TrainingTensors {
        TrainingTensors(
            image: batch.image.to(device), teacherImage: batch.teacherImage.to(device),
            mask: batch.mask.to(device), areas: batch.areas)
    }

    /// `fixtureStep` of `microPair`, on the GPU.
    private func step(
        arithmetic: DType = .float32, iterationCount: Int = 100
    ) throws -> TrainingStep {
        let source = try microPair()
        let pair = try StudentTeacher(
            source.configuration,
            parameters: tensorFixture("micro_vit_init.safetensors"), device: device)
        let fixture = fixtureStep(pair)
        var settings = fixture.settings
        settings.options.arithmetic = arithmetic
        settings.meanField.iterationCount = iterationCount
        return TrainingStep(pair, fixture.optimizer, settings)
    }

    @Test("three float32 steps are the reference's")
    func trajectory() throws {
        Libtorch.allowTF32(false)
        let all = try jsonObjectFixture("train_steps.json")
        let expected = try #require(all["B_epoch1"] as? [[String: Any]])
        let step = try step()
        for (index, expected) in expected.enumerated() {
            func number(_ key: String) -> Double { (expected[key] as? Double) ?? .nan }
            let batch = onDevice(try trainingTensors("batch_c64_\(index).safetensors"))
            let result = step.run([batch], epoch: Int(number("epoch")), step: index)
            #expect(abs(result.lossMIL - number("loss_mil")) < 1e-4)
            #expect(abs(result.lossCRF - number("loss_crf")) < 1e-4)
            #expect(result.isFinite && !result.isSkipped)
        }
    }

    @Test("half precision follows float32", arguments: [DType.bfloat16, .float16])
    func halfPrecision(arithmetic: DType) throws {
        let batch = onDevice(try trainingTensors("batch_c64_0.safetensors"))
        let results = try [DType.float32, arithmetic].map { arithmetic in
            let step = try step(arithmetic: arithmetic)
            step.scaler = LossScaler(scale: 1024)
            return step.run([batch], epoch: 1, step: 0)
        }
        #expect(results[1].isFinite && !results[1].isSkipped)
        #expect(abs(results[0].lossMIL - results[1].lossMIL) < 0.03)
        #expect(abs(results[0].lossCRF - results[1].lossCRF) < 0.03)
        #expect(abs(results[1].gradientNorm / results[0].gradientNorm - 1) < 0.05)
    }

    @Test("masks in half precision are those in float32", arguments: [DType.bfloat16, .float16])
    func masks(arithmetic: DType) throws {
        Libtorch.allowTF32(false)
        let checkpoint = try MaskCheckpoint(path: try ModelFiles.path(for: "default"))
        let configuration = MaskNetworkConfiguration(
            backbone: try checkpoint.info.backboneConfiguration())
        let tensors = try tensorFixture("dinov2_small14_features.safetensors")
        let image = try #require(tensors["image_224"]).to(.float32)
        func mask(_ arithmetic: DType, on device: Device) throws -> [Float] {
            let network = try checkpoint.network(
                .student, configuration, architecture: "vit-dinov2-small/14", device: device)
            let areas = [Float](repeating: 20_000, count: image.size(0))
            return withoutGradients {
                autocast(arithmetic, on: device) { network(image: image.to(device), areas: areas) }
                    .to(.float32).sigmoid() .> 0.5
            }.to(.float32).floats()
        }
        let expected = try mask(.float32, on: .cpu)
        for made in [try mask(.float32, on: device), try mask(arithmetic, on: device)] {
            let shared = zip(made, expected).count { $0 == 1 && $1 == 1 }
            let all = zip(made, expected).count { $0 == 1 || $1 == 1 }
            #expect(all == 0 || Double(shared) / Double(all) >= 0.99)
        }
    }

    @Test("steps that are read late are those that are read at once")
    func late() throws {
        let batches = try (0..<3).map {
            onDevice(try trainingTensors("batch_c64_\($0).safetensors"))
        }
        let (now, late) = (try step(), try step())
        let results = batches.enumerated().map { now.run([$1], epoch: 1, step: $0) }
        let pending = batches.enumerated().map { late.start([$1], epoch: 1, step: $0) }
        for (result, pending) in zip(results, pending.map { $0.result() }) {
            // A GPU's backward pass adds in any order.
            #expect(abs(result.lossMIL - pending.lossMIL) < 1e-3)
            #expect(abs(result.lossCRF - pending.lossCRF) < 1e-3)
        }
    }

    @Test("a step that is read late waits for nothing")
    func noWaiting() throws {
        // One update of the mean field: with all of them the launches wait for a place in the queue.
        let step = try step(iterationCount: 1)
        let batch = onDevice(try trainingTensors("batch_c64_0.safetensors"))
        for number in 0..<3 { _ = step.start([batch], epoch: 1, step: number).result() }
        let large = Tensor.ones([4096, 4096], device: device)
        let clock = ContinuousClock()
        func productSeconds(_ count: Int) -> Double {
            let start = Event(on: device)
            for _ in 0..<count { _ = large.matmul(large) }
            let end = Event(on: device)
            end.wait()
            return end.seconds(since: start)
        }
        _ = productSeconds(3)
        let count = Int(2 / max(productSeconds(5) / 5, 1e-4))
        let start = Event(on: device)
        for _ in 0..<min(count, 300) { _ = large.matmul(large) }
        let busy = Event(on: device)
        let begin = clock.now
        let pending = step.start([batch], epoch: 1, step: 3)
        let seconds = (clock.now - begin) / .seconds(1)
        busy.wait()
        // The device was busy with products for longer than the host took to ask for the step.
        #expect(seconds < busy.seconds(since: start) / 2)
        #expect(pending.result().isFinite)
    }

    @Test("the mean field's kernel in a step gives the operators' losses")
    func meanFieldKernel() throws {
        let batch = onDevice(try trainingTensors("batch_c64_0.safetensors"))
        let (plain, fast) = (try step(), try step())
        fast.meanFieldKernel = try MeanFieldKernel(
            fast.settings.meanField, height: 16, width: 16, device: device)
        let results = [plain, fast].map { $0.run([batch], epoch: 1, step: 0) }
        #expect(abs(results[0].lossCRF - results[1].lossCRF) < 1e-3)
        #expect(abs(results[0].lossMIL - results[1].lossMIL) < 1e-5)
    }

    @Test("a profile adds up to the time of the steps")
    func profile() throws {
        let step = try step()
        let batch = onDevice(try trainingTensors("batch_c64_0.safetensors"))
        _ = step.run([batch], epoch: 1, step: 0)
        let profile = StepProfile(device: device)
        step.profile = profile
        _ = step.run([batch], epoch: 1, step: 1)
        for part in ["teacher", "student", "mean field", "backward", "optimizer"] {
            #expect(profile.text.contains(part))
        }
    }
}
