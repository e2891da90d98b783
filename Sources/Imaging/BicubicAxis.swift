/// The integer weights of a bicubic resize along one axis.
struct BicubicAxis {
    let inputs: Int
    let outputs: Int
    /// First input of each output.
    let starts: [Int]
    /// Number of inputs of each output, at least 1.
    let counts: [Int]
    /// `stride` weights for each output, in units of 2⁻²².
    let weights: [Int32]
    let stride: Int

    static let precision: Int32 = 22
    static let half: Int32 = 1 << (precision - 1)

    init(from inputs: Int, to outputs: Int) {
        self.inputs = inputs
        self.outputs = outputs
        guard inputs != outputs else {
            // Pillow skips a pass that changes nothing; weight one on the same pixel is the same.
            starts = Array(0..<outputs)
            counts = [Int](repeating: 1, count: outputs)
            weights = [Int32](repeating: 1 << Self.precision, count: outputs)
            stride = 1
            return
        }
        let scale = Double(inputs) / Double(outputs)
        let filterScale = max(scale, 1)
        let support = 2 * filterScale
        let inverse = 1 / filterScale
        stride = Int(support.rounded(.up)) * 2 + 1
        var starts = [Int]()
        var counts = [Int]()
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
                weights[output * stride + index] = Int32(scaled + (scaled < 0 ? -0.5 : 0.5))
            }
            starts.append(start)
            counts.append(count)
        }
        self.starts = starts
        self.counts = counts
        self.weights = weights
    }

    /// The most inputs that any output reads.
    var longest: Int { counts.max() ?? 1 }

    /// One row of `inputs` pixels to `outputs` pixels.
    func filterRow(
        _ row: UnsafePointer<UInt8>, channels: Int, into output: UnsafeMutablePointer<UInt8>
    ) {
        if inputs == outputs {
            output.update(from: row, count: outputs * channels)
        } else if channels == 3 {
            filterColorRow(row, into: output)
        } else {
            filterGreyRow(row, into: output)
        }
    }

    private func filterColorRow(
        _ row: UnsafePointer<UInt8>, into output: UnsafeMutablePointer<UInt8>
    ) {
        weights.withUnsafeBufferPointer { weights in
            for index in 0..<outputs {
                var red = Self.half
                var green = Self.half
                var blue = Self.half
                let kernel = weights.baseAddress! + index * stride
                var pixel = row + starts[index] * 3
                for tap in 0..<counts[index] {
                    let weight = kernel[tap]
                    red &+= weight &* Int32(pixel[0])
                    green &+= weight &* Int32(pixel[1])
                    blue &+= weight &* Int32(pixel[2])
                    pixel += 3
                }
                output[index * 3] = Self.clip(red)
                output[index * 3 + 1] = Self.clip(green)
                output[index * 3 + 2] = Self.clip(blue)
            }
        }
    }

    private func filterGreyRow(
        _ row: UnsafePointer<UInt8>, into output: UnsafeMutablePointer<UInt8>
    ) {
        weights.withUnsafeBufferPointer { weights in
            for index in 0..<outputs {
                var sum = Self.half
                let kernel = weights.baseAddress! + index * stride
                let pixel = row + starts[index]
                for tap in 0..<counts[index] { sum &+= kernel[tap] &* Int32(pixel[tap]) }
                output[index] = Self.clip(sum)
            }
        }
    }

    /// Output row `index` from filtered rows, of which row r lies in slot r mod `ringLength`.
    func mixRows(
        _ index: Int, ring: UnsafePointer<UInt8>, ringLength: Int,
        sums: UnsafeMutableBufferPointer<Int32>, into output: UnsafeMutablePointer<UInt8>
    ) {
        let rowLength = sums.count
        if inputs == outputs {
            output.update(from: ring + starts[index] % ringLength * rowLength, count: rowLength)
            return
        }
        for column in 0..<rowLength { sums[column] = Self.half }
        for tap in 0..<counts[index] {
            let weight = weights[index * stride + tap]
            let row = ring + (starts[index] + tap) % ringLength * rowLength
            for column in 0..<rowLength { sums[column] &+= weight &* Int32(row[column]) }
        }
        for column in 0..<rowLength { output[column] = Self.clip(sums[column]) }
    }

    @inline(__always)
    private static func clip(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max(sum >> precision, 0), 255))
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
