import Inference
import MaskModel
import Specs
import Testing
import TestSupport
import Torch
import Training

@Suite struct TrainingStepTests {
    /// The largest distance of two tensors where all gradients say anything. Adam's first steps have
    /// the whole rate, 5e-3, whatever a gradient's size. A gradient is held to a thousandth of the
    /// largest; from 25 such on that is 4 % of it, and of the rate 2e-4.
    private func distance(_ a: Tensor, _ b: Tensor, gradients: [Tensor]) -> Double {
        let counts = gradients.map {
            ($0.abs() .> 1e-7 + 2.5e-2 * Double($0.abs().amax().item())).to(.float32)
        }
        return Double(counts.reduce((a.detached() - b).abs(), *).amax().item())
    }

    @Test(
        "three steps are the reference's",
        arguments: [("train_micro_A_epoch0", "A_epoch0"), ("train_micro_B_epoch1", "B_epoch1")])
    func trajectory(file: String, key: String) throws {
        let all = try jsonObjectFixture("train_steps.json")
        let expected = try #require(all[key] as? [[String: Any]])
        let after = try tensorFixture(file + ".safetensors")
        let pair = try microPair()
        let step = fixtureStep(pair)
        var gradients: [[Tensor]] = []
        for (index, expected) in expected.enumerated() {
            func number(_ key: String) -> Double { (expected[key] as? Double) ?? .nan }
            let batch = try trainingTensors("batch_c64_\(index).safetensors")
            let epoch = Int(number("epoch"))
            _ = step.backward([batch], epoch: epoch, step: index)
            gradients.append(try pair.studentParameters.map { try #require($0.tensor.gradient) })
            if index == 2 {
                for (name, tensor) in pair.studentParameters {
                    let expected = try #require(after["grad_step3.student.\(name)"])
                    let gradient = try #require(tensor.gradient)
                    let size = Double(expected.abs().amax().item())
                    expectClose(gradient, expected, tolerance: 2e-5 + 1e-3 * size, name)
                }
            }
            let result = step.run([batch], epoch: epoch, step: index)
            #expect(abs(result.lossMIL - number("loss_mil")) < 1e-5)
            #expect(abs(result.lossCRF - number("loss_crf")) < 1e-5)
            #expect(abs(result.loss - number("loss")) < 1e-5)
            #expect(abs(result.learningRate - number("lr_used")) < 1e-12)
            #expect(abs(result.nextLearningRate - number("lr_after")) < 1e-12)
            #expect(
                abs(
                    step.settings.schedule.rate(
                        ofStep: index + 1, epoch: epoch, stepsPerEpoch: 4) - number("lr_after"))
                    < 1e-12)
            #expect(result.isFinite && !result.isSkipped)
        }
        // In the first step of the first epoch every gradient is zero, exactly.
        let telling = gradients.filter { $0.contains { $0.abs().amax().item() > 0 } }
        #expect(telling.count == (key == "A_epoch0" ? 2 : 3))
        for (index, (name, tensor)) in pair.studentParameters.enumerated() {
            let expected = try #require(after["param.student.\(name)"])
            let off = distance(tensor, expected, gradients: telling.map { $0[index] })
            #expect(off <= 2e-4, "student.\(name)")
            let teacher = pair.teacherParameters[index].tensor
            expectClose(teacher, after["param.teacher.\(name)"], tolerance: 2e-4, name)
        }
        let states = try #require(all[key + "_params_with_state"] as? [String])
        let made = Set(
            step.optimizer.exportState().map {
                "student." + $0.name.split(separator: ".").dropLast().joined(separator: ".")
            })
        #expect(made == Set(states))
    }

    @Test("gradients and update of ViT-tiny are the reference's")
    func tiny() throws {
        let all = try jsonObjectFixture("train_steps.json")
        let expected = try #require(all["vit_tiny16_c128_step"] as? [String: Any])
        let file = try tensorFixture("train_tiny_grads.safetensors")
        let configuration = MaskNetworkConfiguration(backbone: .tiny())
        let shapes = StudentTeacher(configuration, seed: 1)
        let pair = try StudentTeacher(
            configuration,
            parameters: Dictionary(
                uniqueKeysWithValues: shapes.exportParameters().map {
                    ($0.name, FormulaWeights.tensor($0.name, $0.tensor.shape))
                }))
        let step = fixtureStep(pair, peak: 1e-3)
        let batch = try trainingTensors("batch_c128_0.safetensors")
        let losses = step.backward([batch], epoch: 1, step: 0)
        #expect(abs(losses.mil - (expected["loss_mil"] as? Double ?? .nan)) < 1e-5)
        #expect(abs(losses.crf - (expected["loss_crf"] as? Double ?? .nan)) < 1e-5)
        let summaries = try #require(expected["grads"] as? [String: Any])
        var compared = 0
        for (name, tensor) in pair.studentParameters {
            let gradient = try #require(tensor.gradient)
            if let exact = file["grad.student.\(name)"] {
                let size = Double(exact.abs().amax().item())
                expectClose(gradient, exact, tolerance: 1e-5 + 1e-3 * size, name)
                compared += 1
            }
            try expectSummary(gradient, summaries["student.\(name)"], name)
        }
        #expect(compared == 10)
        let gradients = pair.studentParameters.map { $0.tensor.gradient }
        _ = step.run([batch], epoch: 1, step: 0)
        let after = try #require(expected["params_after"] as? [String: Any])
        for (index, (name, tensor)) in pair.studentParameters.enumerated() {
            for (key, tensor, gradients) in [
                ("student.\(name)", tensor, [gradients[index]].compactMap { $0 }),
                ("teacher.\(name)", pair.teacherParameters[index].tensor, []),
            ] {
                if let exact = file["after.\(key)"] {
                    #expect(distance(tensor, exact, gradients: gradients) <= 2e-4, "\(key)")
                }
                if let summary = after[key] as? [String: Any] {
                    let absolute = try #require(summary["abs_sum"] as? Double)
                    let made = Double(tensor.detached().to(.float64).abs().sum().item())
                    // Adam makes a step of the whole rate, 1e-3, even of gradients that are rounding,
                    // either way; processors round differently.
                    let noise = gradients.reduce(0) {
                        let size = Double($1.abs().amax().item())
                        return $0
                            + Double(
                                ($1.abs() .< 1e-7 + 1e-3 * size).to(.float32).sum().item())
                    }
                    #expect(abs(made - absolute) <= 1e-4 * absolute + 2e-3 * noise, "\(key)")
                }
            }
        }
    }

    private func expectSummary(_ tensor: Tensor, _ summary: Any?, _ name: String) throws {
        let summary = try #require(summary as? [String: Any], "\(name)")
        func number(_ key: String) -> Double { summary[key] as? Double ?? .nan }
        let flat = tensor.to(.float64).flattened(from: 0)
        let size = max(abs(number("min")), abs(number("max")))
        let absolute = Double(flat.abs().sum().item())
        #expect(abs(absolute - number("abs_sum")) <= 1e-3 * absolute + 1e-5, "\(name)")
        let squares = Double(flat.squared().sum().item())
        #expect(abs(squares - number("sq_sum")) <= 2e-3 * squares + 1e-9, "\(name)")
        let values = flat.floats()
        let first = summary["first"] as? [Double] ?? []
        let last = summary["last"] as? [Double] ?? []
        for (value, expected) in zip(values, first) {
            #expect(abs(Double(value) - expected) <= 1e-3 * size + 1e-6, "\(name)")
        }
        for (value, expected) in zip(values.suffix(last.count), last) {
            #expect(abs(Double(value) - expected) <= 1e-3 * size + 1e-6, "\(name)")
        }
    }

    @Test("the prior makes the first targets and none after its last step")
    func prior() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        func losses(_ prior: TargetPrior?, step: Int) throws -> TrainingStep.Losses {
            let pair = try microPair()
            var settings = fixtureStep(pair).settings
            settings.prior = prior
            let optimizer = AdamW(pair.studentParameters, learningRate: 1)
            return TrainingStep(pair, optimizer, settings)
                .backward([batch], epoch: 1, step: step)
        }
        // Epoch 1 begins at step 4.
        let prior = TargetPrior(endStep: 6)
        let plain = try losses(nil, step: 1)
        let early = try losses(prior, step: 1)
        #expect(early.mil == plain.mil)
        #expect(abs(early.crf - plain.crf) > 1e-3)
        #expect(try losses(prior, step: 2).crf == losses(nil, step: 2).crf)
    }

    @Test("a guide's masks make the target, whatever the networks say")
    func guide() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        func target(guided: Bool, step: Int) throws -> [Float] {
            let pair = try microPair()
            let fixture = fixtureStep(pair)
            let training = TrainingStep(pair, fixture.optimizer, fixture.settings)
            // Masks of another seed: not those of the pair.
            if guided {
                training.guide = StudentTeacher(pair.student.configuration, seed: 5).student
            }
            let maps = training.run([batch], epoch: 1, step: step, wantsMaps: true).maps
            return try #require(maps).target.floats()
        }
        let guided = try target(guided: true, step: 0)
        #expect(try target(guided: false, step: 0) != guided)
        let guide = StudentTeacher(try microPair().student.configuration, seed: 5).student
        let settings = fixtureStep(try microPair()).settings
        let masks = withoutGradients {
            guide(image: batch.teacherImage, areas: batch.areas).selecting(1, 0).sigmoid()
        }
        let side = masks.size(1)
        let expected = settings.meanField(
            image: interpolate(batch.image, height: side, width: side, .bilinear),
            probabilities: masks,
            mask: interpolate(batch.mask, height: side, width: side, .bilinear).selecting(1, 0))
        #expect(guided == expected.floats())
    }

    @Test("accumulated batches give the gradients of one large batch")
    func accumulation() throws {
        let whole = try trainingTensors("batch_c64_0.safetensors")
        let parts = [rows([0, 1, 2], of: whole), rows([3], of: whole)]
        let cases = [([whole], nil), (parts, nil), ([whole], 3)] as [([TrainingTensors], Int?)]
        let results = try cases.map { batches, objectsAtOnce in
            let pair = try microPair()
            var settings = fixtureStep(pair).settings
            settings.objectsAtOnce = objectsAtOnce
            let optimizer = AdamW(pair.studentParameters, learningRate: 1)
            let step = TrainingStep(pair, optimizer, settings)
            let losses = step.backward(batches, epoch: 1, step: 0)
            return (losses, pair.studentParameters.compactMap(\.tensor.gradient))
        }
        #expect(abs(results[0].0.mil - results[1].0.mil) < 1e-5)
        #expect(abs(results[0].0.crf - results[1].0.crf) < 1e-5)
        for (a, b) in zip(results[0].1, results[1].1) {
            expectClose(a, b, tolerance: 1e-6 + 1e-4 * Double(a.abs().amax().item()))
        }
        #expect(results[1].1.map { $0.floats() } == results[2].1.map { $0.floats() })
    }

    @Test("recomputed activations give the same gradients")
    func recomputation() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        for rate in [0, 0.5] {
            let gradients = try [false, true].map { recomputes in
                let pair = try microPair()
                pair.freezing = .stages([2])
                var settings = fixtureStep(pair).settings
                settings.options.recomputesActivations = recomputes
                settings.options.dropPathRate = rate
                let optimizer = AdamW(pair.studentParameters, learningRate: 1)
                let step = TrainingStep(pair, optimizer, settings)
                _ = step.backward([batch], epoch: 1, step: 0)
                return pair.studentParameters.map { $0.tensor.gradient?.floats() }
            }
            #expect(gradients[0] == gradients[1])
            #expect(gradients[0].filter { $0 == nil }.count == 12)
        }
    }

    @Test("drop path changes the student by seed, and only in training")
    func dropPath() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        let losses = try [(0.0, 1), (0.9, 1), (0.9, 1), (0.9, 2)].map { rate, seed in
            let pair = try microPair()
            var settings = fixtureStep(pair).settings
            settings.options.dropPathRate = rate
            settings.seed = UInt64(seed)
            let step = TrainingStep(pair, AdamW([], learningRate: 1), settings)
            return step.backward([batch], epoch: 1, step: 0).mil
        }
        #expect(losses[0] != losses[1])
        #expect(losses[1] == losses[2])
        #expect(losses[1] != losses[3])
    }

    @Test("a batch with no object in any bucket moves the teacher alone")
    func noBucket() throws {
        let whole = try trainingTensors("batch_c64_0.safetensors")
        let batch = TrainingTensors(
            image: whole.image, teacherImage: whole.teacherImage, mask: whole.mask,
            areas: [1024, 9216, 0, 1024])
        let pair = try microPair()
        let step = fixtureStep(pair)
        let (student, teacher) = (
            pair.studentParameters.map { $0.tensor.floats() },
            pair.teacherParameters.map { $0.tensor.floats() }
        )
        let result = step.run([batch], epoch: 1, step: 0)
        #expect(result.isFinite && result.gradientNorm == 0)
        #expect(result.lossMIL > 0)
        #expect(pair.studentParameters.map { $0.tensor.floats() } == student)
        #expect(pair.teacherParameters.map { $0.tensor.floats() } != teacher)
        #expect(step.optimizer.exportState().isEmpty)
    }

    /// A batch in which the left half of two boxes is the true mask.
    private func reviewedBatch() throws -> TrainingTensors {
        let whole = try trainingTensors("batch_c64_0.safetensors")
        let left = Tensor((0..<64).map { $0 < 32 ? 1 : 0 }, [1, 1, 1, 64])
        return TrainingTensors(
            image: whole.image, teacherImage: whole.teacherImage, mask: whole.mask,
            truth: .init(rows: [1, 3], mask: whole.mask.rows([1, 3]) * left), areas: whole.areas)
    }

    @Test("true masks change nothing without a weight, and in parts what they change whole")
    func trueMasks() throws {
        let batch = try reviewedBatch()
        let plain = try trainingTensors("batch_c64_0.safetensors")
        func result(
            _ batch: TrainingTensors, weight: Double, objectsAtOnce: Int? = nil
        ) throws -> (result: StepResult, values: [[Float]]) {
            let pair = try microPair()
            let step = fixtureStep(pair)
            var settings = step.settings
            settings.maskWeight = weight
            settings.objectsAtOnce = objectsAtOnce
            let other = TrainingStep(pair, step.optimizer, settings)
            return (other.run([batch], epoch: 1, step: 0), pair.values)
        }
        let (none, known) = (try result(plain, weight: 2), try result(batch, weight: 2))
        #expect(none.result.lossMask == 0 && known.result.lossMask > 0)
        #expect(known.result.lossMIL == none.result.lossMIL)
        #expect(known.result.lossCRF == none.result.lossCRF)
        #expect(known.values != none.values)
        #expect(try result(batch, weight: 0).values == none.values)
        for count in [1, 3] {
            let parts = try result(batch, weight: 2, objectsAtOnce: count).result
            #expect(abs(parts.lossMask - known.result.lossMask) < 1e-5)
            #expect(abs(parts.gradientNorm - known.result.gradientNorm) < 1e-3)
        }
    }

    @Test("a few steps pull the student to the true mask, of the objects that have one alone")
    func pull() throws {
        let batch = try reviewedBatch()
        let pair = try microPair()
        var settings = fixtureStep(pair).settings
        settings.maskWeight = 1
        (settings.milWeight, settings.crfWeight) = (0, 0)
        let step = TrainingStep(
            pair, AdamW(pair.studentParameters, learningRate: 2e-3), settings)
        /// Mean probabilities in the left and right half of a box.
        func means(_ row: Int, _ student: Tensor) -> (left: Float, right: Float) {
            let box = interpolate(batch.mask, height: 16, width: 16, .bilinear).selecting(1, 0)
            func mean(_ columns: Range<Int>) -> Float {
                let box = box.rows([row]).narrowed(2, columns)
                return (student.rows([row]).narrowed(2, columns) * box).sum().item()
                    / box.sum().item()
            }
            return (mean(0..<16 / 2), mean(8..<16))
        }
        var losses: [Double] = []
        var last: StepMaps?
        for number in 0..<40 {
            let result = step.run([batch], epoch: 1, step: 0, wantsMaps: number == 39)
            losses.append(result.lossMask)
            last = result.maps
        }
        #expect(losses[39] < losses[0] / 2, "\(losses)")
        let student = try #require(last).student
        for row in [1, 3] {
            let (left, right) = means(row, student)
            #expect(left > 0.6 && right < 0.4, "\(row): \(left) \(right)")
        }
    }

    @Test("clipping bounds the step's gradients, and maps come when asked for")
    func clippingAndMaps() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        let pair = try microPair()
        var settings = fixtureStep(pair).settings
        settings.gradientNormLimit = 1e-3
        let optimizer = AdamW(pair.studentParameters, learningRate: 1e-3)
        let step = TrainingStep(pair, optimizer, settings)
        let result = step.run([batch], epoch: 1, step: 0, wantsMaps: true)
        #expect(result.gradientNorm > 1e-3)
        let moments = optimizer.exportState().filter { $0.name.hasSuffix(".exp_avg") }
        // After one step the mean is a tenth of the clipped gradient.
        #expect(abs(norm(ofAll: moments.map(\.tensor)) - 1e-4) < 1e-7)
        let maps = try #require(result.maps)
        #expect(maps.student.shape == [4, 16, 16])
        #expect(maps.teacher.shape == [4, 16, 16])
        #expect(Set(maps.target.floats()).isSubset(of: [0, 1]))
        #expect(step.run([batch], epoch: 1, step: 1).maps == nil)
    }

    @Test("half precision follows float32", arguments: [DType.bfloat16, .float16])
    func halfPrecision(arithmetic: DType) throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        let results = try [DType.float32, arithmetic].map { arithmetic in
            let pair = try microPair()
            var settings = fixtureStep(pair).settings
            settings.options.arithmetic = arithmetic
            let optimizer = AdamW(pair.studentParameters, learningRate: 1e-3)
            let step = TrainingStep(pair, optimizer, settings)
            // A scale whose gradients stay finite.
            step.scaler = LossScaler(scale: 1024)
            return step.run([batch], epoch: 1, step: 0)
        }
        #expect(results[1].isFinite && !results[1].isSkipped)
        #expect(abs(results[0].lossMIL - results[1].lossMIL) < 0.03)
        #expect(abs(results[0].lossCRF - results[1].lossCRF) < 0.03)
        #expect(abs(results[1].gradientNorm / results[0].gradientNorm - 1) < 0.05)
    }

    @Test("an overflow skips the student, lowers the scale, and the teacher goes on")
    func overflow() throws {
        let batch = try trainingTensors("batch_c64_0.safetensors")
        let pair = try microPair()
        var settings = fixtureStep(pair).settings
        settings.options.arithmetic = .float16
        let optimizer = AdamW(pair.studentParameters, learningRate: 1e-3)
        let step = TrainingStep(pair, optimizer, settings)
        step.scaler = LossScaler(scale: 0x1p100)
        let before = pair.values
        let result = step.run([batch], epoch: 1, step: 0)
        #expect(result.isSkipped && result.loss.isFinite && !result.isFinite)
        #expect(step.scaler == LossScaler(scale: 0x1p99))
        let count = pair.studentParameters.count
        #expect(Array(pair.values[..<count]) == Array(before[..<count]))
        #expect(pair.values != before)
        #expect(optimizer.exportState().allSatisfy { $0.tensor.floats().allSatisfy { $0 == 0 } })
        #expect(result.nextLearningRate == optimizer.learningRate)
    }

    @Test("steps that are read late are those that are read at once")
    func late() throws {
        let batches = try (0..<3).map { try trainingTensors("batch_c64_\($0).safetensors") }
        let (now, late) = (try microPair(), try microPair())
        let (step, other) = (fixtureStep(now), fixtureStep(late))
        let results = batches.enumerated().map { step.run([$1], epoch: 1, step: $0) }
        let pending = batches.enumerated().map { other.start([$1], epoch: 1, step: $0) }
        for (result, pending) in zip(results, pending.map { $0.result() }) {
            #expect(result.lossMIL == pending.lossMIL && result.lossCRF == pending.lossCRF)
            #expect(result.gradientNorm == pending.gradientNorm)
            #expect(result.learningRate == pending.learningRate)
            #expect(result.nextLearningRate == pending.nextLearningRate)
        }
        #expect(now.values == late.values)
    }

    @Test("a step that is read late leaves the student alone when a loss is not a number")
    func lateAndNotFinite() throws {
        let whole = try trainingTensors("batch_c64_0.safetensors")
        let batch = TrainingTensors(
            image: whole.image * .infinity, teacherImage: whole.teacherImage, mask: whole.mask,
            areas: whole.areas)
        let pair = try microPair()
        let count = pair.studentParameters.count
        let before = pair.values
        let pending = fixtureStep(pair).start([batch], epoch: 1, step: 0)
        #expect(Array(pair.values[..<count]) == Array(before[..<count]))
        #expect(pending.result().isSkipped && !pending.result().isFinite)
        #expect(pair.values.allSatisfy { $0.allSatisfy(\.isFinite) })
    }

    @Test("a loss that is not a number leaves everything as it was")
    func notFinite() throws {
        let whole = try trainingTensors("batch_c64_0.safetensors")
        let batch = TrainingTensors(
            image: whole.image * .infinity, teacherImage: whole.teacherImage, mask: whole.mask,
            areas: whole.areas)
        let pair = try microPair()
        let before = pair.values
        let result = fixtureStep(pair).run([batch], epoch: 1, step: 0)
        #expect(!result.isFinite && result.isSkipped)
        #expect(pair.values == before)
    }
}
