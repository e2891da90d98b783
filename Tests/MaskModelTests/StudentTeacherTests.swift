import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct StudentTeacherTests {
    let configuration = microConfiguration(.patchConv)

    private func values(_ parameters: [(name: String, tensor: Tensor)]) -> [String: [Float]] {
        Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.tensor.floats()) })
    }

    @Test("student and teacher start apart, or together when asked")
    func start() {
        let apart = StudentTeacher(configuration, seed: 1)
        #expect(values(apart.studentParameters) != values(apart.teacherParameters))
        let again = StudentTeacher(configuration, seed: 1)
        #expect(values(apart.exportParameters()) == values(again.exportParameters()))
        let together = StudentTeacher(configuration, seed: 1, teacherIsCopy: true)
        #expect(values(together.studentParameters) == values(together.teacherParameters))
        #expect(values(together.studentParameters) == values(apart.studentParameters))
    }

    @Test("the student has gradients, the teacher never")
    func gradients() {
        let pair = StudentTeacher(configuration, seed: 1)
        #expect(pair.studentParameters.allSatisfy { $0.tensor.requiresGradient })
        #expect(pair.teacherParameters.allSatisfy { !$0.tensor.requiresGradient })
        pair.freezing = .stages([0])
        pair.freezing = .none
        #expect(pair.studentParameters.allSatisfy { $0.tensor.requiresGradient })
    }

    @Test("a checkpoint with a classification head loads and comes out again")
    func checkpoint() throws {
        let file = try tensorFixture("micro_vit_init.safetensors")
        let pair = try StudentTeacher(configuration, parameters: file)
        let exported = pair.exportParameters()
        #expect(exported.count == 108)
        for (name, tensor) in exported {
            expectClose(tensor, file[name], tolerance: 0, name)
        }
        #expect(pair.studentParameters.allSatisfy { $0.tensor.requiresGradient })
        #expect(throws: TorchError.self) { try pair.importParameters([:]) }
        var misshaped = file
        misshaped["student.roi_head.mlp1.bias"] = .zeros([3])
        let before = values(pair.exportParameters())
        #expect(throws: TorchError.self) { try pair.importParameters(misshaped) }
        #expect(values(pair.exportParameters()) == before)
    }

    @Test("pretrained weights go to both, and what the file lacks stays")
    func pretrained() throws {
        let pair = StudentTeacher(configuration, seed: 1)
        let before = values(pair.exportParameters())
        let report = try pair.loadPretrained([
            "backbone.norm.bias": .full([48], 7), "backbone.head.bias": .zeros([1000]),
        ])
        #expect(report.unexpected == ["backbone.head.bias"])
        #expect(report.missing.count == 53)
        for (name, tensor) in pair.exportParameters() {
            let isLoaded = name.hasSuffix(".backbone.norm.bias")
            #expect(tensor.floats() == (isLoaded ? .init(repeating: 7, count: 48) : before[name]))
        }
        #expect(throws: TorchError.self) {
            try pair.loadPretrained(["backbone.pos_embed": .zeros([1, 198, 48])])
        }
    }

    @Test("the teacher is a moving average")
    func average() {
        let pair = StudentTeacher(configuration, seed: 1)
        let before = pair.teacherParameters.map { $0.tensor.cloned() }
        pair.updateTeacher(momentum: 0.9)
        for (index, before) in before.enumerated() {
            let expected = before * 0.9 + pair.studentParameters[index].tensor.detached() * 0.1
            expectClose(pair.teacherParameters[index].tensor, expected, tolerance: 1e-6)
        }
    }
}
