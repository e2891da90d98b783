/// What can go wrong in this module that is not our own mistake.
public enum TorchError: Error, Equatable, Sendable, CustomStringConvertible {
    /// libtorch could not allocate tensor memory; its message says how much and where.
    case outOfMemory(String)
    /// A device, its driver or its libraries failed, or are not there; libtorch's or CUDA's words.
    case deviceFailed(String)
    /// The libtorch that was found does not fit the one this program was compiled for.
    case unusableLibrary(String)
    /// A device's name that is not `auto`, `cpu`, `cuda` or `cuda:N`.
    case invalidDeviceName(String)
    /// A device this machine does not have, and why.
    case unavailableDevice(String, reason: String)
    /// A kernel that could not be compiled or loaded, and why.
    case unavailableKernel(String, reason: String)
    /// The tensors of a file do not fit the network; every problem at once.
    case parameterMismatch(ParameterMismatch)
    /// Another process of the run, or the store they share, did not answer as it should.
    case communication(String)
    /// A port, or the store there, is not the run's and will not be; which, in words.
    case stranger(String)
    /// Somebody else is where the run's store or one of its processes should be; may change.
    case notYet(String)

    public var description: String {
        switch self {
        case .outOfMemory(let message): "out of memory: \(message)"
        case .deviceFailed(let message): "the device failed: \(message)"
        case .unusableLibrary(let message): message
        case .invalidDeviceName(let name):
            "device must be auto, cpu, cuda or cuda:N, is \"\(name)\""
        case .unavailableDevice(let name, let reason): "device \(name) is not available: \(reason)"
        case .unavailableKernel(let name, let reason):
            "the kernel \(name) is not available: \(reason)"
        case .parameterMismatch(let mismatch): mismatch.description
        case .communication(let message), .stranger(let message), .notYet(let message): message
        }
    }
}
