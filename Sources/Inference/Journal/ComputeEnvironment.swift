package import Specs
import Torch

extension RunFingerprint {
    /// What computes: results differ in their last bits where it does, and masks in single pixels.
    ///
    /// - Parameter threads: CPU threads of an operator.
    package static func environment(threads: Int) -> RunFingerprint {
        var print = RunFingerprint()
        print.add("mal", Product.version)
        print.add("libtorch", Libtorch.version)
        print.add("threads", threads)
        print.add("instruction set", Libtorch.instructionSet)
        return print
    }
}

extension Product {
    /// What computes, a line each: this program, libtorch, and the devices of this machine.
    package static var parts: String {
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
