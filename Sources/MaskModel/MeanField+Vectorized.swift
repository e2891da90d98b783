import CKernels
import Dispatch
package import Torch

extension MeanField {
    /// Whether ``refineVectorized(image:probabilities:mask:)`` can do this: 3 × 3 windows, in host
    /// memory, and bounds whose logarithms are numbers.
    func isVectorized(for image: Tensor) -> Bool {
        kernelSize == 3 && image.device == .cpu && bounds.lowerBound > 1e-6
            && bounds.upperBound < 1 - 1e-6
    }

    /// ``refine(image:probabilities:mask:)`` without a tensor per step: (B, H, W).
    ///
    /// Samples, or bands of rows when there are fewer samples than threads, are spread over
    /// threads; the result does not depend on their number.
    package func refineVectorized(
        image: Tensor, probabilities: Tensor, mask: Tensor?, threads: Int = Libtorch.threadCount
    ) -> Tensor {
        let shape = image.shape
        let (batch, height, width) = (shape[0], shape[2], shape[3])
        let ones = mask ?? .ones([batch, height, width])
        let fields = Fields(count: batch)
        defer { fields.free() }
        image.to(.float32).withBytes { image in
            probabilities.to(.float32).withBytes { probabilities in
                ones.to(.float32).withBytes { mask in
                    let isWhole = [
                        (image, shape[1]), (probabilities, 1), (mask, 1),
                    ].allSatisfy { $0.0.count == batch * $0.1 * height * width * 4 }
                    // Placeholders of a step that ran out of memory.
                    guard isWhole else { return }
                    let maps = Maps(
                        image: image.bindMemory(to: Float.self),
                        probabilities: probabilities.bindMemory(to: Float.self),
                        mask: mask.bindMemory(to: Float.self), channels: shape[1], height: height,
                        width: width)
                    DispatchQueue.concurrentPerform(iterations: batch) { sample in
                        fields[sample] = maps.field(
                            sample, zeta: Float(zeta), low: Float(bounds.lowerBound),
                            high: Float(bounds.upperBound))
                    }
                }
            }
        }
        if !fields.isComplete, !isMemoryLost { loseMemory(for: "a mean field") }
        fields.run(iterationCount, threads: threads)
        return Tensor([batch, height, width], .float32) { memory in
            let values = memory.bindMemory(to: Float.self)
            for sample in 0..<batch {
                guard let field = fields[sample] else { continue }
                cmf_result(field, values.baseAddress! + sample * height * width)
            }
        }
    }
}

/// Inputs of all samples, row-major.
private struct Maps: @unchecked Sendable {  // read only
    let image: UnsafeBufferPointer<Float>
    let probabilities: UnsafeBufferPointer<Float>
    let mask: UnsafeBufferPointer<Float>
    let channels: Int
    let height: Int
    let width: Int

    func field(_ sample: Int, zeta: Float, low: Float, high: Float) -> OpaquePointer? {
        let pixels = height * width
        return cmf_make(
            image.baseAddress! + sample * channels * pixels, Int32(channels),
            probabilities.baseAddress! + sample * pixels, mask.baseAddress! + sample * pixels,
            Int32(height), Int32(width), zeta, low, high)
    }
}

/// The samples' fields; each place is touched by one thread at a time.
private struct Fields: @unchecked Sendable {
    private let places: UnsafeMutableBufferPointer<OpaquePointer?>

    init(count: Int) {
        places = .allocate(capacity: count)
        places.initialize(repeating: nil)
    }

    func free() {
        for place in places { cmf_free(place) }
        places.deallocate()
    }

    subscript(sample: Int) -> OpaquePointer? {
        get { places[sample] }
        nonmutating set { places[sample] = newValue }
    }

    var isComplete: Bool { places.allSatisfy { $0 != nil } }

    func run(_ count: Int, threads: Int) {
        if places.count >= threads {
            // Thread t takes samples t, t + threads, …: no more threads than were asked for.
            DispatchQueue.concurrentPerform(iterations: min(threads, places.count)) { thread in
                for sample in stride(from: thread, to: places.count, by: threads) {
                    if let field = places[sample] { cmf_run(field, Int32(count)) }
                }
            }
            return
        }
        for case let field? in places { run(field, count, threads: threads) }
    }

    private func run(_ field: OpaquePointer, _ count: Int, threads: Int) {
        let shared = SharedField(field: field)
        var (first, end): (Int32, Int32) = (0, 0)
        cmf_rows(field, &first, &end)
        let (start, rows) = (Int(first), Int(end - first))
        let changes = UnsafeMutableBufferPointer<Int32>.allocate(capacity: threads)
        defer { changes.deallocate() }
        let flags = SharedFlags(flags: changes)
        for number in 0..<count {
            DispatchQueue.concurrentPerform(iterations: threads) { band in
                flags.flags[band] = cmf_update(
                    shared.field, Int32(number), Int32(start + rows * band / threads),
                    Int32(start + rows * (band + 1) / threads))
            }
            if changes.allSatisfy({ $0 == 0 }) { return }
        }
    }
}

/// Bands of rows write different places.
private struct SharedField: @unchecked Sendable { let field: OpaquePointer }
private struct SharedFlags: @unchecked Sendable { let flags: UnsafeMutableBufferPointer<Int32> }
