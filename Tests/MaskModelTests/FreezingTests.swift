import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct FreezingTests {
    private func frozen(_ freezing: Freezing) -> [String] {
        let pair = StudentTeacher(microConfiguration(.patchConv), seed: 1)
        pair.freezing = freezing
        return pair.studentParameters.filter { !$0.tensor.requiresGradient }
            .map { "student." + $0.name }.sorted()
    }

    @Test("stages freeze the parameters that the reference freezes")
    func stages() throws {
        let expected = try jsonObjectFixture("checkpoint_expectations.json")
        for stages in [[-1], [0, 2], [1, 2, 3]] {
            let names = try #require(expected["frozen_\(stages)"] as? [String])
            #expect(frozen(.stages(stages)) == names.filter { $0.hasPrefix("student.") })
            // The reference freezes the teacher's too; ours never have a gradient.
            let teacher = names.filter { $0.hasPrefix("teacher.") }
            #expect(teacher.count * 2 == names.count)
        }
    }

    @Test("a range freezes its blocks, and the patch embedding from 0")
    func range() {
        #expect(frozen(.range(first: 0, last: 0)).isEmpty)
        #expect(frozen(.range(first: 0, last: 1)) == frozen(.stages([0, 1])))
        #expect(frozen(.range(first: 0, last: 3)) == frozen(.stages([0, 1, 2, 3])))
        #expect(frozen(.range(first: 2, last: 3)) == frozen(.stages([2, 3])))
        #expect(frozen(.range(first: 1, last: 2)) == frozen(.stages([1, 2])))
    }

    @Test("the tokens can be frozen, and the whole backbone")
    func more() {
        var tokens = Freezing.stages([0, 1])
        tokens.includesTokens = true
        #expect(
            Set(frozen(tokens)).subtracting(frozen(.stages([0, 1])))
                == ["student.backbone.cls_token", "student.backbone.pos_embed"])
        var backbone = Freezing.none
        backbone.includesBackbone = true
        let names = StudentTeacher(microConfiguration(.patchConv), seed: 1).studentParameters
            .map { "student." + $0.name }.filter { $0.hasPrefix("student.backbone.") }
        #expect(frozen(backbone) == names.sorted())
    }

    @Test("layer-wise decay counts from the final norm to the tokens")
    func layerDecay() {
        func factor(_ name: String) -> Double {
            BackbonePart(parameter: name).learningRateFactor(decay: 0.5, depth: 3)
        }
        #expect(factor("norm.weight") == 1)
        #expect(factor("blocks.2.attn.qkv.weight") == 0.5)
        #expect(factor("blocks.0.mlp.fc1.bias") == 0.125)
        #expect(factor("patch_embed.proj.weight") == 0.0625)
        #expect(factor("cls_token") == 0.0625 && factor("pos_embed") == 0.0625)
    }

    @Test("stages that a backbone does not have are told")
    func unknown() {
        #expect(Freezing.stages([-1]).unknownStages(depth: 12) == [-1])
        #expect(Freezing.stages([0, 12, 13]).unknownStages(depth: 12) == [13])
        #expect(Freezing.range(first: 0, last: 4).unknownStages(depth: 3) == [4])
    }
}
