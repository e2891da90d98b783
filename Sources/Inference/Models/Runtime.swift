package import Distributed
import MaskModel
package import Specs
package import Torch

/// Device and arithmetic of a run, from its spec.
package struct Runtime {
    package let device: Device
    /// float32, or what autocast computes in.
    package let arithmetic: DType
    /// Whether results are read while the next ones are computed.
    package let readsLate: Bool

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
