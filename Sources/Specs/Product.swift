import Torch

/// What this program calls itself.
public enum Product {
    public static let version = "0.1.0"

    /// What computes, a line each: this program, libtorch, and the devices of this machine.
    public static var parts: String {
        let gpus = (0..<Device.cudaCount).map { index in
            let capability = Device.cuda(index).computeCapability
            return "cuda:\(index) (compute capability \(capability / 10).\(capability % 10))"
        }
        return """
            mal \(version)
            libtorch \(Libtorch.version)
            devices: \((["cpu"] + gpus).joined(separator: ", "))
            """ + (gpus.isEmpty ? " (no GPU: \(Device.cudaProblem))" : "")
    }
}
