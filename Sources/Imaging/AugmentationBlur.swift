extension RGBImage {
    /// Gaussian blur as Pillow's `GaussianBlur(radius)`: three box blurs along the rows, then three
    /// along the columns, in 8 bits after each; edges are repeated (SPEC §3.4). The time grows with
    /// the radius.
    ///
    /// - Parameter radius: the standard deviation in pixels, 0 or more and at most 1000.
    public mutating func blur(radius: Double) {
        precondition((0...1000).contains(radius), "a blur radius of \(radius)")
        guard radius > 0, !pixels.isEmpty else { return }
        let box = BoxBlur(gaussianRadius: Float(radius))
        box.blurRows(&pixels, size: size, channels: 3)
        box.blurColumns(&pixels, rowLength: size.width * 3, rowCount: size.height)
    }
}

/// A mean over 2n+1 pixels and a share of the two beyond, in 24-bit integer weights.
private struct BoxBlur {
    /// n.
    let reach: Int
    let innerWeight: UInt32
    let outerWeight: UInt32

    private static let passCount = 3

    /// The box of which three passes come nearest to the Gaussian (Gwosdek et al., Theoretical
    /// foundations of Gaussian convolution by extended box filtering, 2011, eq. 7, 11, 14). Single
    /// precision where Pillow stores a `float`.
    init(gaussianRadius radius: Float) {
        let variance = radius * radius / Float(Self.passCount)
        let length = Float((12 * Double(variance) + 1).squareRoot())
        let whole = Float(((Double(length) - 1) / 2).rounded(.down))
        var part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
        part /= 6 * (variance - (whole + 1) * (whole + 1))
        let boxRadius = whole + part
        reach = Int(boxRadius)
        innerWeight = UInt32(Float(1 << 24) / (boxRadius * 2 + 1))
        outerWeight = ((1 << 24) - UInt32(2 * reach + 1) * innerWeight) / 2
    }

    @inline(__always)
    private func mix(inner: UInt32, outer: UInt32) -> UInt8 {
        let sum = innerWeight &* inner &+ outerWeight &* outer &+ (1 << 23)
        return UInt8(truncatingIfNeeded: sum >> 24)
    }

    /// All passes on a row before the next row; the row lies between repeats of its end pixels.
    func blurRows(_ pixels: inout [UInt8], size: Size, channels: Int) {
        let rowLength = size.width * channels
        let padding = (reach + 1) * channels
        withScratch(rowLength + 2 * padding) { padded in
            pixels.withUnsafeMutableBufferPointer { pixels in
                guard let first = pixels.baseAddress else { return }
                for rowIndex in 0..<size.height {
                    let row = first + rowIndex * rowLength
                    for _ in 0..<Self.passCount {
                        (padded + padding).update(from: row, count: rowLength)
                        for index in 0..<padding {
                            let channel = index % channels
                            padded[index] = row[channel]
                            padded[padding + rowLength + index] =
                                row[rowLength - channels + channel]
                        }
                        blurLine(padded, count: rowLength, step: channels, into: row)
                    }
                }
            }
        }
    }

    /// One output value for each of `count`, over values `step` apart; `line` begins `reach` + 1
    /// steps before the first.
    @inline(__always)
    private func blurLine(
        _ line: UnsafePointer<UInt8>, count: Int, step: Int,
        into output: UnsafeMutablePointer<UInt8>
    ) {
        let last = line + (2 * reach + 2) * step
        switch reach {
        case 0:
            let centre = line + step
            for index in 0..<count {
                let outer = UInt32(line[index]) &+ UInt32(last[index])
                output[index] = mix(inner: UInt32(centre[index]), outer: outer)
            }
        case 1:
            let (before, centre, after) = (line + step, line + 2 * step, line + 3 * step)
            for index in 0..<count {
                let inner =
                    UInt32(before[index]) &+ UInt32(centre[index]) &+ UInt32(after[index])
                let outer = UInt32(line[index]) &+ UInt32(last[index])
                output[index] = mix(inner: inner, outer: outer)
            }
        default:
            for index in 0..<count {
                var inner: UInt32 = 0
                for offset in 1...2 * reach + 1 { inner &+= UInt32(line[index + offset * step]) }
                let outer = UInt32(line[index]) &+ UInt32(last[index])
                output[index] = mix(inner: inner, outer: outer)
            }
        }
    }

    /// The columns are blurred side by side, in strips of rows' parts that stay in the cache.
    func blurColumns(_ pixels: inout [UInt8], rowLength: Int, rowCount: Int) {
        let strip = min(rowLength, 192)
        let padding = (reach + 1) * strip
        withScratch(rowCount * strip + 2 * padding) { padded in
            pixels.withUnsafeMutableBufferPointer { pixels in
                guard let first = pixels.baseAddress else { return }
                withScratch(rowCount * strip) { blurred in
                    for start in stride(from: 0, to: rowLength, by: strip) {
                        let width = min(strip, rowLength - start)
                        for row in 0..<rowCount {
                            (blurred + row * width)
                                .update(from: first + row * rowLength + start, count: width)
                        }
                        blurStrip(blurred, width: width, rowCount: rowCount, padded: padded)
                        for row in 0..<rowCount {
                            (first + row * rowLength + start)
                                .update(from: blurred + row * width, count: width)
                        }
                    }
                }
            }
        }
    }

    private func blurStrip(
        _ strip: UnsafeMutablePointer<UInt8>, width: Int, rowCount: Int,
        padded: UnsafeMutablePointer<UInt8>
    ) {
        let count = width * rowCount
        let padding = (reach + 1) * width
        for _ in 0..<Self.passCount {
            (padded + padding).update(from: strip, count: count)
            for row in 0...reach {
                (padded + row * width).update(from: strip, count: width)
                (padded + padding + count + row * width)
                    .update(from: strip + count - width, count: width)
            }
            blurLine(padded, count: count, step: width, into: strip)
        }
    }
}

private func withScratch(_ count: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { buffer in
        guard let base = buffer.baseAddress else { return }
        buffer.initialize(repeating: 0)
        body(base)
    }
}
