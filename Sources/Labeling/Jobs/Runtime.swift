import MaskModel
import Torch

/// Device, arithmetic and threads of a run, from its spec.
struct Runtime {
    let device: Device
    /// float32, or what autocast computes in.
    let arithmetic: DType

    init(
        spec: Spec, command: Spec.Command, threads: Int?, onEvent: RunEventHandler
    ) throws(TorchError) {
        try Libtorch.start()
        if let threads { Libtorch.threadCount = threads }
        switch spec.device {
        case .cpu: device = .cpu
        case .cuda(let index): device = try Device(named: "cuda:\(index)")
        case .auto:
            if Device.cudaIsAvailable {
                let wanted = spec.gpus(for: command).deviceIDs.first ?? 0
                device = try Device(named: "cuda:\(wanted)")
            } else {
                device = .cpu
                if spec.asksForGPU(command) {
                    onEvent(
                        .note("no GPU (\(Device.cudaProblem)): running on the CPU"))
                }
            }
        }
        arithmetic =
            switch spec.arithmetic(for: command, onGPU: device != .cpu) {
            case .fp32: .float32
            case .bf16: .bfloat16
            case .fp16: .float16
            }
    }
}

extension Spec {
    /// A spec that was left at TAO's default does not ask for a GPU in so many words.
    fileprivate func asksForGPU(_ command: Command) -> Bool {
        gpus(for: command) != Spec.standard.gpus(for: command)
    }
}

extension TrainSpec {
    /// `mask_thres` for small, medium and large boxes, by bucket.
    var thresholds: [Float] {
        let (small, medium, large) = maskThresholdBySize
        return [Float(small), Float(medium), Float(large)]
    }
}
