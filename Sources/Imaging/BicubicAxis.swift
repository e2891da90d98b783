import CImaging

/// The integer weights of a bicubic resize along one axis.
struct BicubicAxis {
    let inputs: Int
    let outputs: Int
    /// First input of each output.
    let starts: [Int32]
    /// Number of inputs of each output, at least 1.
    let counts: [Int32]
    /// `stride` weights for each output, in units of 2⁻²²; zero beyond its count.
    let weights: [Int32]
    /// A multiple of 4: four weights are read at a time.
    let stride: Int
    /// Whether the outputs are the inputs as they are; Pillow skips a pass that changes nothing.
    let isIdentity: Bool

    static let precision: Int32 = 22
    static let half: Int32 = 1 << (precision - 1)

    /// - Parameter isMirrored: whether the outputs come in reverse, which turns the image.
    init(from inputs: Int, to outputs: Int, isMirrored: Bool = false) {
        self.inputs = inputs
        self.outputs = outputs
        isIdentity = inputs == outputs && !isMirrored
        func place(_ output: Int) -> Int { isMirrored ? outputs - 1 - output : output }
        guard inputs != outputs else {
            // Weight one on the same pixel is the pixel.
            starts = (0..<outputs).map { Int32(place($0)) }
            counts = [Int32](repeating: 1, count: outputs)
            stride = 4
            weights = (0..<4 * outputs).map { $0 % 4 == 0 ? 1 << Self.precision : 0 }
            return
        }
        let scale = Double(inputs) / Double(outputs)
        let filterScale = max(scale, 1)
        let support = 2 * filterScale
        let inverse = 1 / filterScale
        stride = (Int(support.rounded(.up)) * 2 + 4) & ~3
        var starts = [Int32](repeating: 0, count: outputs)
        var counts = starts
        var weights = [Int32](repeating: 0, count: outputs * stride)
        var exact = [Double](repeating: 0, count: stride)
        for output in 0..<outputs {
            let centre = (Double(output) + 0.5) * scale
            let start = max(Int(centre - support + 0.5), 0)
            let count = min(Int(centre + support + 0.5), inputs) - start
            var sum = 0.0
            for index in 0..<count {
                let weight = keysCubic((Double(index + start) - centre + 0.5) * inverse)
                exact[index] = weight
                sum += weight
            }
            for index in 0..<count {
                let weight = (sum == 0 ? exact[index] : exact[index] / sum)
                let scaled = weight * Double(1 << Self.precision)
                weights[place(output) * stride + index] = Int32(scaled + (scaled < 0 ? -0.5 : 0.5))
            }
            starts[place(output)] = Int32(start)
            counts[place(output)] = Int32(count)
        }
        self.starts = starts
        self.counts = counts
        self.weights = weights
    }

    /// The most inputs that any output reads.
    var longest: Int { Int(counts.max() ?? 1) }

    /// One row of `inputs` RGB pixels to `outputs` pixels.
    ///
    /// - Parameter readable: how many bytes of the row, and behind it, may be read.
    func filterColorRow(
        _ row: UnsafePointer<UInt8>, readable: Int, level: InstructionSet,
        into output: UnsafeMutablePointer<UInt8>
    ) {
        guard !isIdentity else { return output.update(from: row, count: outputs * 3) }
        starts.withUnsafeBufferPointer { starts in
            counts.withUnsafeBufferPointer { counts in
                weights.withUnsafeBufferPointer { weights in
                    var filter = ci_filter(
                        starts: starts.baseAddress, counts: counts.baseAddress,
                        weights: weights.baseAddress, stride: stride, outputs: outputs)
                    ci_filter_row(level.rawValue, &filter, row, readable, output)
                }
            }
        }
    }

    /// One row of `inputs` grey pixels to `outputs` pixels.
    func filterGreyRow(
        _ row: UnsafePointer<UInt8>, into output: UnsafeMutablePointer<UInt8>
    ) {
        guard !isIdentity else { return output.update(from: row, count: outputs) }
        weights.withUnsafeBufferPointer { weights in
            for index in 0..<outputs {
                var sum = Self.half
                let kernel = weights.baseAddress! + index * stride
                let pixel = row + Int(starts[index])
                for tap in 0..<Int(counts[index]) { sum &+= kernel[tap] &* Int32(pixel[tap]) }
                output[index] = UInt8(truncatingIfNeeded: min(max(sum >> Self.precision, 0), 255))
            }
        }
    }

    /// Output row `index` from filtered rows of `rowLength` bytes, of which row r lies in slot
    /// r mod `ringLength`.
    func mixRows(
        _ index: Int, ring: UnsafePointer<UInt8>, ringLength: Int, rowLength: Int,
        level: InstructionSet, into output: UnsafeMutablePointer<UInt8>
    ) {
        let start = Int(starts[index])
        let taps = Int(counts[index])
        guard !isIdentity else {
            return output.update(from: ring + start % ringLength * rowLength, count: rowLength)
        }
        withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>?.self, capacity: taps) { rows in
            for tap in 0..<taps { rows[tap] = ring + (start + tap) % ringLength * rowLength }
            weights.withUnsafeBufferPointer { weights in
                ci_mix_rows(
                    level.rawValue, rows.baseAddress, weights.baseAddress! + index * stride, taps,
                    rowLength, output)
            }
        }
    }
}

/// Keys' cubic convolution kernel with a = −0.5.
private func keysCubic(_ position: Double) -> Double {
    let a = -0.5
    let x = abs(position)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
}
