import MaskModel
import Specs
import Testing
import TestSupport
import Torch
import Training

@Suite("Training steps of a FAN")
struct FANTrainingTests {
    private func values(_ tensors: [(name: String, tensor: Tensor)]) -> [[Float]] {
        tensors.map { $0.tensor.floats() }
    }

    @Test("three steps are the reference's, batch norm's statistics too")
    func trajectory() throws {
        let expected = try #require(
            try jsonObjectFixture("fan_summaries.json")["micro_fan_train"] as? [[String: Any]])
        let after = try tensorFixture("micro_fan_train.safetensors")
        let pair = try microFANPair()
        let step = fixtureStep(pair)
        var gradients: [[Tensor]] = []
        for (index, expected) in expected.enumerated() {
            func number(_ key: String) -> Double { (expected[key] as? Double) ?? .nan }
            let batch = try trainingTensors("batch_c64_\(index).safetensors")
            let statistics = pair.studentBuffers.map { $0.tensor.cloned() }
            _ = step.backward([batch], epoch: 1, step: index)
            // The class token's own parameters have gradients too, of zero.
            gradients.append(try pair.studentParameters.map { try #require($0.tensor.gradient) })
            if index == 2 {
                for (name, tensor) in pair.studentParameters {
                    let expected = try #require(after["grad_step3.student.\(name)"])
                    let gradient = try #require(tensor.gradient)
                    let size = Double(expected.abs().amax().item())
                    expectClose(gradient, expected, tolerance: 2e-5 + 1e-3 * size, name)
                }
            }
            for (buffer, before) in zip(pair.studentBuffers, statistics) {
                buffer.tensor.copy(from: before)
            }
            let result = step.run([batch], epoch: 1, step: index)
            #expect(abs(result.lossMIL - number("loss_mil")) < 1e-5)
            #expect(abs(result.lossCRF - number("loss_crf")) < 1e-5)
            #expect(abs(result.loss - number("loss")) < 1e-5)
            #expect(abs(result.learningRate - number("lr_used")) < 1e-12)
            #expect(abs(result.nextLearningRate - number("lr_after")) < 1e-12)
        }
        for (index, (name, tensor)) in pair.studentParameters.enumerated() {
            let expected = try #require(after["param.student.\(name)"])
            // Below 1e-7 a gradient is rounding, which Adam blows up to a whole step.
            let counts = gradients.map { ($0[index].abs() .> 1e-7).to(.float32) }
            let distance = counts.reduce((tensor.detached() - expected).abs(), *).amax().item()
            #expect(distance <= 2e-4, "student.\(name)")
        }
        for (name, tensor) in pair.studentBuffers {
            expectClose(tensor, after["param.student.\(name)"], tolerance: 2e-4, name)
        }
        for (name, tensor) in pair.teacherTensors {
            expectClose(tensor, after["param.teacher.\(name)"], tolerance: 2e-4, name)
        }
        // Nothing of the fixture is left out but the classifier, which a MAL network does not have,
        // and `io.*`, the outputs, which are compared where the network is.
        let compared = Set(
            pair.studentParameters.flatMap {
                ["param.student.\($0.name)", "grad_step3.student.\($0.name)"]
            } + pair.studentBuffers.map { "param.student.\($0.name)" }
                + pair.teacherTensors.map { "param.teacher.\($0.name)" })
        let rest = after.keys.filter { !compared.contains($0) && !$0.hasPrefix("io.") }
        #expect(compared.isSubset(of: after.keys))
        let classifier = ["student", "teacher"].flatMap { network in
            ["bias", "weight"].map { "param.\(network).backbone.head.\($0)" }
        }
        #expect(rest.sorted() == classifier)
    }

    @Test("recomputed activations give the same gradients and statistics")
    func recomputation() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        let results = try [false, true].map { recomputes in
            let pair = try microFANPair()
            var settings = fixtureStep(pair).settings
            settings.options.recomputesActivations = recomputes
            let step = TrainingStep(pair, AdamW(pair.studentParameters, learningRate: 1), settings)
            _ = step.backward([batch], epoch: 1, step: 0)
            return (
                pair.studentParameters.map { $0.tensor.gradient?.floats() },
                values(pair.studentBuffers)
            )
        }
        #expect(results[0].0.allSatisfy { $0 != nil })
        #expect(results[0].0 == results[1].0)
        #expect(results[0].1 == results[1].1)
    }

    @Test("train.ema_buffers lets the teacher's statistics follow")
    func averagedBuffers() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        for isAveraged in [false, true] {
            let pair = try microFANPair()
            let before = values(pair.teacherBuffers)
            var settings = fixtureStep(pair).settings
            settings.averagesBuffers = isAveraged
            let step = TrainingStep(pair, AdamW(pair.studentParameters, learningRate: 1), settings)
            _ = step.run([batch], epoch: 1, step: 0)
            #expect((values(pair.teacherBuffers) != before) == isAveraged)
        }
    }

    @Test("a backbone that stays as it is keeps its statistics")
    func frozenBackbone() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        let pair = try microFANPair()
        pair.freezing.includesBackbone = true
        let before = values(pair.studentTensors.filter { $0.name.hasPrefix("backbone.") })
        _ = fixtureStep(pair).run([batch], epoch: 1, step: 0)
        #expect(values(pair.studentTensors.filter { $0.name.hasPrefix("backbone.") }) == before)
    }

    @Test("a batch goes through whole by itself, and parts give other gradients")
    func wholeBatches() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        let configuration = try microFANPair().configuration
        #expect(
            TrainingStepSettings.objectsAtOnce(on: .cpu, cropSize: 512, configuration) == nil)
        let gradients = try [nil, 3].map { count in
            let pair = try microFANPair()
            var settings = fixtureStep(pair).settings
            settings.objectsAtOnce = count
            let step = TrainingStep(pair, AdamW(pair.studentParameters, learningRate: 1), settings)
            _ = step.backward([batch], epoch: 1, step: 0)
            return pair.studentParameters.map { $0.tensor.gradient?.floats() }
        }
        #expect(gradients[0] != gradients[1])
    }

    @Test("half precision follows float32", arguments: [DType.bfloat16, .float16])
    func halfPrecision(arithmetic: DType) throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        let (results, buffers) = try [DType.float32, arithmetic].reduce(
            into: ([StepResult](), [[[Float]]]())
        ) { collected, arithmetic in
            let pair = try microFANPair()
            var settings = fixtureStep(pair).settings
            settings.options.arithmetic = arithmetic
            let step = TrainingStep(
                pair, AdamW(pair.studentParameters, learningRate: 1e-3), settings)
            // A scale whose gradients stay finite.
            step.scaler = LossScaler(scale: 1024)
            collected.0.append(step.run([batch], epoch: 1, step: 0))
            collected.1.append(values(pair.studentBuffers))
        }
        #expect(results[1].isFinite && !results[1].isSkipped)
        #expect(abs(results[0].lossMIL - results[1].lossMIL) < 0.03)
        #expect(abs(results[0].lossCRF - results[1].lossCRF) < 0.03)
        #expect(abs(results[1].gradientNorm / results[0].gradientNorm - 1) < 0.1)
        for (exact, half) in zip(buffers[0], buffers[1]) {
            #expect(zip(exact, half).allSatisfy { abs($0 - $1) < 0.02 })
        }
    }
}
