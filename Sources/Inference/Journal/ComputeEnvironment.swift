import Specs
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
