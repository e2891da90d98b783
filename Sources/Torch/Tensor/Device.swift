import CTorch

/// Where a tensor's memory is.
package enum Device: Sendable, Hashable, CustomStringConvertible {
    case cpu
    case cuda(Int)

    /// Whether libtorch has CUDA, a driver and at least one device.
    package static var cudaIsAvailable: Bool { cudaCount > 0 }

    /// How many CUDA devices there are.
    package static var cudaCount: Int { Int(ct_cuda_count()) }

    /// Why ``cudaIsAvailable`` is false; empty when it is true.
    package static var cudaProblem: String { String(cString: ct_cuda_problem()) }

    /// The first CUDA device, or the CPU when there is none.
    package static var automatic: Device { cudaIsAvailable ? .cuda(0) : .cpu }

    /// The device of a name: `auto`, `cpu`, `cuda` or `cuda:N`.
    ///
    /// Throws ``TorchError/invalidDeviceName(_:)``, or ``TorchError/unavailableDevice(_:reason:)`` for
    /// a device that this machine does not have.
    package init(named name: String) throws(TorchError) {
        switch name {
        case "auto": self = .automatic
        case "cpu": self = .cpu
        case "cuda": self = try Self.cuda(checked: 0)
        default:
            let number = name.dropFirst("cuda:".count)
            guard name.hasPrefix("cuda:"), number.allSatisfy(\.isASCII),
                number.allSatisfy(\.isNumber), let index = Int(number)
            else { throw .invalidDeviceName(name) }
            self = try Self.cuda(checked: index)
        }
    }

    private static func cuda(checked index: Int) throws(TorchError) -> Device {
        let count = cudaCount
        if count == 0 { throw .unavailableDevice("cuda:\(index)", reason: cudaProblem) }
        guard index < count else {
            throw .unavailableDevice("cuda:\(index)", reason: "there are \(count), from cuda:0")
        }
        return .cuda(index)
    }

    /// Whether the device computes in bfloat16 by its own units: CUDA's from compute capability 8.0 (Ampere) on.
    package var hasBFloat16Units: Bool { computeCapability >= 80 }

    /// 90 for CUDA's compute capability 9.0; 0 for a CPU.
    package var computeCapability: Int {
        guard case .cuda = self else { return 0 }
        var found: Int32 = 0
        check(ct_cuda_capability(index, &found), "a device's capability")
        return Int(found)
    }

    /// The shared memory in bytes that a block of threads may have; 0 for a CPU.
    package var sharedByteCount: Int {
        guard case .cuda = self else { return 0 }
        var found: Int32 = 0
        check(ct_cuda_shared_memory(index, &found), "a device's shared memory")
        return Int(found)
    }

    package var description: String {
        switch self {
        case .cpu: "cpu"
        case .cuda(let index): "cuda:\(index)"
        }
    }

    /// libtorch's number of the device type.
    var type: Int32 {
        switch self {
        case .cpu: Int32(CT_CPU)
        case .cuda: Int32(CT_CUDA)
        }
    }

    package var index: Int32 {
        switch self {
        case .cpu: 0
        case .cuda(let index): Int32(clamping: index)
        }
    }
}
