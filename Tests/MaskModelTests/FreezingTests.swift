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

    @Test("stages that a backbone does not have are told")
    func unknown() {
        #expect(Freezing.stages([-1]).unknownStages(depth: 12) == [-1])
        #expect(Freezing.stages([0, 12, 13]).unknownStages(depth: 12) == [13])
        #expect(Freezing.range(first: 0, last: 4).unknownStages(depth: 3) == [4])
    }
}
