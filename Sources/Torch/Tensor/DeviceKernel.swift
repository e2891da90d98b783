import CTorch

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A function in CUDA C++ that is compiled at run time for one device.
package final class DeviceKernel {
    /// What a launch gives to a parameter of the function.
    package enum Argument {
        /// A pointer to the first element; null for nil. Contiguous, on the kernel's device.
        case tensor(Tensor?)
        case float(Float)
        case int(Int32)
    }

    private let handle: ct_kernel

    /// - Parameters:
    ///   - name: of the `extern "C" __global__` function.
    ///   - options: NVRTC's, such as `-DWIDTH=128`.
    ///   - sharedByteCount: dynamic shared memory of a block.
    ///   - device: a CUDA device.
    /// - Throws: ``TorchError/unavailableKernel(_:reason:)`` with the compiler's or the driver's words.
    package init(
        source: String, name: String, options: [String], sharedByteCount: Int, device: Device
    ) throws(TorchError) {
        var made: ct_kernel?
        var texts = options.map { strdup($0) }
        defer { for text in texts { free(text) } }
        let status = texts.withUnsafeMutableBufferPointer { texts in
            texts.withMemoryRebound(to: UnsafePointer<CChar>?.self) { texts in
                ct_kernel_make(
                    source, name, texts.baseAddress, Int32(texts.count), UInt32(sharedByteCount),
                    device.index, &made)
            }
        }
        guard status == CT_OK, let made else {
            throw .unavailableKernel(name, reason: String(cString: ct_last_error()))
        }
        handle = made
    }

    /// Enqueues the function behind the operators that were called before.
    package func launch(blocks: Int, threads: Int, _ arguments: [Argument]) {
        // Eight bytes for each value, and their addresses.
        var values = arguments.map { argument -> UInt64 in
            switch argument {
            case .tensor(let tensor):
                tensor.map { UInt64(UInt(bitPattern: ct_data($0.handle))) } ?? 0
            case .float(let value): UInt64(value.bitPattern)
            case .int(let value): UInt64(UInt32(bitPattern: value))
            }
        }
        let status = withExtendedLifetime(arguments) {
            values.withUnsafeMutableBufferPointer { values in
                var addresses = values.indices.map {
                    UnsafeMutableRawPointer?(values.baseAddress! + $0)
                }
                return ct_kernel_launch(handle, UInt32(blocks), UInt32(threads), &addresses)
            }
        }
        check(status, "a kernel")
    }
}
