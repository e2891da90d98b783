package import Torch

/// The network that is trained and its moving average (SPEC §5, §7; Tarvainen & Valpola 2017).
package final class StudentTeacher {
    package let configuration: MaskNetworkConfiguration
    package let student: MaskNetwork
    /// Never has a gradient.
    package let teacher: MaskNetwork
    /// By name without `student.` or `teacher.`, in the same order.
    package let studentParameters: [(name: String, tensor: Tensor)]
    package let teacherParameters: [(name: String, tensor: Tensor)]
    /// What neither is trained nor, by default, averaged: batch norm's running statistics. By name and
    /// in the same order.
    package let studentBuffers: [(name: String, tensor: Tensor)]
    package let teacherBuffers: [(name: String, tensor: Tensor)]
    package let device: Device
    /// What is not trained. Frozen parameters still reach the teacher.
    package var freezing = Freezing.none {
        didSet { applyFreezing() }
    }

    /// A fresh pair; the same seed gives the same weights everywhere. As in TAO the two start from
    /// different random weights (SPEC §12, quirk 7) unless `teacherIsCopy`.
    package convenience init(
        _ configuration: MaskNetworkConfiguration, seed: UInt64, teacherIsCopy: Bool = false,
        device: Device = .cpu
    ) {
        var seeds = Generator(seed: seed)
        let student = ParameterStore(seed: seeds.next(), device: device)
        let teacher = ParameterStore(seed: seeds.next(), device: device)
        self.init(configuration, student, teacher)
        if teacherIsCopy { copyStudentToTeacher() }
    }

    /// The pair of a checkpoint.
    ///
    /// - Parameter parameters: `student.*` and `teacher.*`; the classification heads that published
    ///   checkpoints carry are ignored. Throws ``TorchError/parameterMismatch(_:)`` that lists
    ///   everything that does not fit.
    package convenience init(
        _ configuration: MaskNetworkConfiguration, parameters: [String: Tensor],
        device: Device = .cpu
    ) throws(TorchError) {
        let shapes = ParameterStore(loading: [:], device: device)
        _ = MaskNetwork(shapes.root, configuration)
        self.init(
            configuration,
            ParameterStore(loading: Self.blank(shapes), device: device),
            ParameterStore(loading: Self.blank(shapes), device: device))
        try importParameters(parameters)
    }

    private static func blank(_ shapes: ParameterStore) -> [String: Tensor] {
        Dictionary(
            uniqueKeysWithValues: shapes.tensors.map {
                ($0.name, .zeros($0.tensor.shape, $0.tensor.dtype))
            })
    }

    private init(
        _ configuration: MaskNetworkConfiguration, _ student: ParameterStore,
        _ teacher: ParameterStore
    ) {
        self.configuration = configuration
        device = student.device
        self.student = MaskNetwork(student.root, configuration)
        self.teacher = MaskNetwork(teacher.root, configuration)
        studentParameters = student.parameters
        teacherParameters = teacher.parameters
        studentBuffers = student.buffers
        teacherBuffers = teacher.buffers
        applyFreezing()
    }

    private func applyFreezing() {
        for (name, tensor) in studentParameters {
            tensor.requiresGradient = !freezing.freezes(parameter: name)
        }
    }

    /// Parameters and buffers: what a checkpoint holds of the student.
    package var studentTensors: [(name: String, tensor: Tensor)] {
        studentParameters + studentBuffers
    }

    /// Parameters and buffers: what a checkpoint holds of the teacher.
    package var teacherTensors: [(name: String, tensor: Tensor)] {
        teacherParameters + teacherBuffers
    }

    /// All parameters and buffers, the student's first, as `student.*` and `teacher.*`. The tensors are
    /// the live ones: write them out or clone them before the next step.
    package func exportParameters() -> [(name: String, tensor: Tensor)] {
        studentTensors.map { ("student." + $0.name, $0.tensor) }
            + teacherTensors.map { ("teacher." + $0.name, $0.tensor) }
    }

    /// Overwrites all parameters and buffers. Throws ``TorchError/parameterMismatch(_:)``, and changes nothing,
    /// when a tensor is missing, left over or has another shape.
    package func importParameters(_ tensors: [String: Tensor]) throws(TorchError) {
        let mismatch = Self.copy(
            tensors.filter {
                let key = $0.key.dropping(prefix: "student.") ?? $0.key.dropping(prefix: "teacher.")
                return !MaskNetwork.isIgnored(key ?? $0.key)
            }, to: exportParameters(), allowsMissing: false)
        if !mismatch.isEmpty { throw .parameterMismatch(mismatch) }
    }

    /// Overwrites student and teacher alike with what a pretrained file has (SPEC §10): parameters by
    /// their name in a ``MaskNetwork``, any part of them.
    ///
    /// - Returns: the parameters that the file lacks, which keep their values, and its tensors that no
    ///   parameter asks for. Throws ``TorchError/parameterMismatch(_:)``, and changes nothing, when a
    ///   shape differs.
    @discardableResult
    package func loadPretrained(
        _ tensors: [String: Tensor]
    ) throws(TorchError) -> ParameterMismatch {
        let report = Self.copy(tensors, to: studentTensors, allowsMissing: true)
        if !report.misshaped.isEmpty {
            throw .parameterMismatch(ParameterMismatch(misshaped: report.misshaped))
        }
        _ = Self.copy(tensors, to: teacherTensors, allowsMissing: true)
        return report
    }

    /// Makes the teacher what the student is.
    package func copyStudentToTeacher() {
        withoutGradients {
            for (target, source) in zip(teacherTensors, studentTensors) {
                target.tensor.copy(from: source.tensor)
            }
        }
    }

    /// Multiplies the last layer of both RoI heads, and so all logits.
    package func scaleKeys(by factor: Double) {
        guard factor != 1 else { return }
        withoutGradients {
            for (name, tensor) in studentParameters + teacherParameters
            where name.hasPrefix("roi_head.mlp2.") {
                tensor.copy(from: tensor * factor)
            }
        }
    }

    /// The moving average: θ_t ← momentum · θ_t + (1 − momentum) · θ_s for every parameter.
    ///
    /// - Parameter includesBuffers: the teacher's running statistics follow too. Without, they stay what
    ///   they were at the start (SPEC §12, quirk 9). Counters are copied.
    package func updateTeacher(momentum: Double, includesBuffers: Bool = false) {
        var pairs = Array(zip(teacherParameters, studentParameters))
        if includesBuffers {
            let buffers = zip(teacherBuffers, studentBuffers)
            pairs += buffers.filter { $0.0.tensor.dtype.isFloatingPoint }
            for (target, source) in buffers where !target.tensor.dtype.isFloatingPoint {
                target.tensor.copy(from: source.tensor)
            }
        }
        move(pairs.map(\.0.tensor), toward: pairs.map(\.1.tensor), by: 1 - momentum)
    }

    /// Copies what fits, or nothing when a shape differs or when something is missing and must not be.
    private static func copy(
        _ tensors: [String: Tensor], to parameters: [(name: String, tensor: Tensor)],
        allowsMissing: Bool
    ) -> ParameterMismatch {
        var mismatch = ParameterMismatch()
        var left = tensors
        var pairs: [(target: Tensor, source: Tensor)] = []
        for (name, target) in parameters {
            guard let source = left.removeValue(forKey: name) else {
                mismatch.missing.append(name)
                continue
            }
            guard source.shape == target.shape else {
                mismatch.misshaped.append(
                    .init(name: name, expected: target.shape, found: source.shape))
                continue
            }
            pairs.append((target, source))
        }
        mismatch.unexpected = left.keys.sorted()
        guard mismatch.misshaped.isEmpty, allowsMissing || mismatch.isEmpty else { return mismatch }
        withoutGradients {
            for (target, source) in pairs { target.copy(from: source) }
        }
        return mismatch
    }
}
