import CKernels
package import Torch

// B batch, H × W pixels.

/// A ``MeanField`` of maps of one size as a single CUDA kernel: all updates in one launch, the maps in the shared
/// memory of a cluster of blocks (of one block before compute capability 9.0).
package final class MeanFieldKernel {
    private let field: MeanField
    private let layout: Layout
    private let kernel: DeviceKernel

    /// How a sample's rows are spread over blocks of threads.
    package struct Layout: Equatable, Sendable {
        package let height: Int
        package let width: Int
        package let kernelSize: Int
        package let blockCount: Int
        package let threadCount: Int

        /// - Parameters: computeCapability, sharedByteCount: the device's. Nil when the maps do not fit.
        package init?(
            height: Int, width: Int, kernelSize: Int, computeCapability: Int, sharedByteCount: Int
        ) {
            let margin = kernelSize / 2
            // A block's border comes from its direct neighbours alone. Eight blocks are the largest cluster that
            // every device with clusters has.
            let count = [8, 4, 2].first { computeCapability >= 90 && height / $0 >= max(margin, 1) }
            self.init(
                height: height, width: width, kernelSize: kernelSize, blockCount: count ?? 1,
                threadCount: 1024)
            guard height > 0, width > 0, self.sharedByteCount <= sharedByteCount else { return nil }
        }

        package init(
            height: Int, width: Int, kernelSize: Int, blockCount: Int, threadCount: Int
        ) {
            self.height = height
            self.width = width
            self.kernelSize = kernelSize
            self.blockCount = blockCount
            self.threadCount = threadCount
        }

        /// Of a block: two maps of its rows with their border.
        package var sharedByteCount: Int {
            let margin = kernelSize / 2
            let rows = (height + blockCount - 1) / blockCount
            return 8 * (rows + 2 * margin) * (width + 2 * margin)
        }

        fileprivate var options: [String] {
            [
                "-DHEIGHT=\(height)", "-DWIDTH=\(width)", "-DKERNEL=\(kernelSize)",
                "-DBLOCKS=\(blockCount)", "-DTHREADS=\(threadCount)",
                // Each product is rounded before it is added, as by the tensor version.
                "--fmad=false",
            ]
        }
    }

    /// - Parameter device: a CUDA device.
    /// - Throws: ``TorchError/unavailableKernel(_:reason:)``
    package init(
        _ field: MeanField, height: Int, width: Int, device: Device
    ) throws(TorchError) {
        guard case .cuda = device else {
            throw .unavailableKernel("mean field", reason: "the device is \(device), not a GPU")
        }
        let memory = device.sharedByteCount
        guard
            let layout = Layout(
                height: height, width: width, kernelSize: field.kernelSize,
                computeCapability: device.computeCapability, sharedByteCount: memory)
        else {
            throw .unavailableKernel(
                "mean field",
                reason:
                    "maps of \(height) × \(width) do not fit into the \(memory) bytes of shared "
                    + "memory that \(device) has for a block")
        }
        self.field = field
        self.layout = layout
        kernel = try DeviceKernel(
            source: String(cString: cmf_gpu_source()), name: "mean_field",
            options: layout.options, sharedByteCount: layout.sharedByteCount, device: device)
    }

    /// As ``MeanField/callAsFunction(image:probabilities:mask:)``.
    package func callAsFunction(image: Tensor, probabilities: Tensor, mask: Tensor?) -> Tensor {
        let refined = refine(image: image, probabilities: probabilities, mask: mask)
        return withoutGradients { (refined .> 0.5).to(.float32) }
    }

    /// The probabilities after all updates: (B, H, W).
    package func refine(image: Tensor, probabilities: Tensor, mask: Tensor?) -> Tensor {
        let (batch, channels) = (image.size(0), image.size(1))
        let shape = [batch, layout.height, layout.width]
        precondition(
            image.shape.suffix(2) == shape.suffix(2) && probabilities.shape == shape,
            "a mean field of \(image.shape) and \(probabilities.shape) for \(shape)")
        return withoutGradients {
            let windows = layout.kernelSize * layout.kernelSize
            let affinities = Tensor.zeros(
                [batch, windows] + shape.dropFirst(), device: image.device)
            let result = Tensor.zeros(shape, device: image.device)
            let inputs = [image, probabilities, mask].map { $0?.to(.float32).contiguous() }
            // After an allocation failed there is no memory to work on.
            guard !isMemoryLost else { return result }
            kernel.launch(
                blocks: batch * layout.blockCount, threads: layout.threadCount,
                inputs.map { .tensor($0) } + [
                    .tensor(affinities), .tensor(result),
                    .float(Float(2 * field.zeta * field.zeta)),
                    .float(Float(field.bounds.lowerBound)), .float(Float(field.bounds.upperBound)),
                    .int(Int32(channels)), .int(Int32(field.iterationCount)),
                ])
            return result
        }
    }

    /// What the kernel computes of tensors in host memory, by its own code, thread after thread; for tests.
    package static func emulate(
        _ field: MeanField, _ layout: Layout, image: Tensor, probabilities: Tensor, mask: Tensor?
    ) -> Tensor {
        let (batch, channels) = (image.size(0), image.size(1))
        let area = layout.height * layout.width
        var values = [Float](repeating: .nan, count: batch * area)
        let (colours, given, factors) = (image.floats(), probabilities.floats(), mask?.floats())
        for sample in 0..<batch {
            func start(_ values: [Float], _ count: Int) -> [Float] {
                Array(values[sample * count..<(sample + 1) * count])
            }
            let made = values.withUnsafeMutableBufferPointer { values in
                cmf_gpu_emulate(
                    start(colours, channels * area), Int32(channels), start(given, area),
                    factors.map { start($0, area) }, Int32(layout.height), Int32(layout.width),
                    Int32(layout.kernelSize), Int32(layout.blockCount), Int32(layout.threadCount),
                    Float(2 * field.zeta * field.zeta), Float(field.bounds.lowerBound),
                    Float(field.bounds.upperBound), Int32(field.iterationCount),
                    values.baseAddress! + sample * area)
            }
            precondition(made != 0, "no memory for a mean field")
        }
        return Tensor(values, [batch, layout.height, layout.width])
    }
}
