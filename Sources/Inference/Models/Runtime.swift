package import Distributed
import MaskModel
package import Specs
package import Torch

/// Device and arithmetic of a run, from its spec.
package struct Runtime {
    package let device: Device
    /// float32, what autocast computes in, or int8 for products of weights in int8.
    package let arithmetic: DType
    /// Whether results are read while the next ones are computed.
    package let readsLate: Bool

    /// - Throws: `TorchError`, and `LabelingError.wrongOption` where int8 can't be.
    /// - Parameters:
    ///   - isFromFile: whether somebody wrote a spec, which always names GPUs.
    ///   - followsTAO: whether TAO's own output is wanted.
    ///   - rank: which of the run's processes this is; nil when it is alone.
    package init(
        spec: Spec, command: Spec.Command, isFromFile: Bool,
        followsTAO: Bool = false, rank: RankEnvironment? = nil,
        onEvent: RunEventHandler
    ) throws {
        try Libtorch.start()
        switch spec.device {
        case .cpu: device = .cpu
        case .cuda(let index): device = try Device(named: "cuda:\(index)")
        case .auto:
            if Device.cudaIsAvailable {
                let ids = spec.gpus(for: command).deviceIDs
                let place = rank?.localRank ?? 0
                // A launcher may have started more processes than the spec has devices.
                let wanted = ids.indices.contains(place) ? ids[place] : place
                device = try Device(named: "cuda:\(wanted)")
            } else {
                device = .cpu
                if isFromFile {
                    onEvent(
                        .note(
                            "\(command.rawValue).gpu_ids: no GPU here (\(Device.cudaProblem)), "
                                + "running on the CPU"))
                }
            }
        }
        Libtorch.allowTF32(spec.allowsTF32)
        readsLate = spec.readsResultsLate(onGPU: device != .cpu)
        let device = device
        let hasUnits = try withRecoverableMemory { device.hasBFloat16Units }
        let choice = spec.arithmetic(
            for: command, onGPU: device != .cpu, prefersBFloat16: hasUnits && !followsTAO)
        arithmetic =
            switch choice {
            case .fp32: .float32
            case .bf16: .bfloat16
            case .fp16: .float16
            case .int8: .int8
            }
        guard arithmetic == .int8 else { return }
        guard device == .cpu else {
            throw LabelingError.wrongOption(
                "\(command.rawValue).precision: int8 computes on a CPU only; give --device cpu, or bf16"
            )
        }
        guard Int8Weight.isThere else {
            throw LabelingError.wrongOption(
                "\(command.rawValue).precision: int8 needs oneDNN's products, which libtorch "
                    + "\(Libtorch.version) here does not have")
        }
    }
}

extension TrainSpec {
    /// `mask_thres` for small, medium and large boxes, by bucket.
    package var thresholds: [Float] {
        let (small, medium, large) = maskThresholdBySize
        return [Float(small), Float(medium), Float(large)]
    }
}
