extension RGBImage {
    /// Changes the colours as Pillow's `ImageEnhance` and torchvision's `adjust_hue` do
    /// (SPEC §3.4), exact to the bit.
    public mutating func adjust(_ adjustment: ColorAdjustment) {
        switch adjustment {
        case .brightness(let factor):
            apply(blendTable(with: 0, factor: Float(factor)))
        case .contrast(let factor):
            apply(blendTable(with: meanLuma, factor: Float(factor)))
        case .saturation(let factor):
            saturate(Float(factor))
        case .hue(let turn):
            turnHue(by: turn)
        }
    }

    /// Sets the three channels to the luma.
    public mutating func makeGrayscale() {
        pixels.withUnsafeMutableBufferPointer { pixels in
            for start in stride(from: 0, to: pixels.count, by: 3) {
                let grey = luma(pixels[start], pixels[start + 1], pixels[start + 2])
                pixels[start] = grey
                pixels[start + 1] = grey
                pixels[start + 2] = grey
            }
        }
    }

    /// Turns the image about its vertical axis.
    public mutating func mirror() { mirrorRows(&pixels, size: size, channels: 3) }

    /// The mean luma, rounded half up; 0 of an image without pixels.
    private var meanLuma: UInt8 {
        guard !pixels.isEmpty else { return 0 }
        let sum = pixels.withUnsafeBufferPointer { pixels in
            var sum = 0
            for start in stride(from: 0, to: pixels.count, by: 3) {
                sum &+= Int(luma(pixels[start], pixels[start + 1], pixels[start + 2]))
            }
            return sum
        }
        return UInt8(Double(sum) / Double(pixels.count / 3) + 0.5)
    }

    private mutating func apply(_ table: [UInt8]) {
        pixels.withUnsafeMutableBufferPointer { pixels in
            table.withUnsafeBufferPointer { table in
                for index in pixels.indices { pixels[index] = table[Int(pixels[index])] }
            }
        }
    }

    private mutating func saturate(_ factor: Float) {
        pixels.withUnsafeMutableBufferPointer { pixels in
            for start in stride(from: 0, to: pixels.count, by: 3) {
                let grey = Int32(luma(pixels[start], pixels[start + 1], pixels[start + 2]))
                for index in start..<start + 3 {
                    pixels[index] = blend(grey, Int32(pixels[index]), factor)
                }
            }
        }
    }
}

extension Mask {
    /// Turns the mask about its vertical axis.
    public mutating func mirror() { mirrorRows(&pixels, size: size, channels: 1) }
}

/// ITU-R 601 luma as Pillow's `convert("L")` takes it.
@inline(__always)
private func luma(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    let sum = 19595 &* UInt32(red) &+ 38470 &* UInt32(green) &+ 7471 &* UInt32(blue) &+ 32768
    return UInt8(truncatingIfNeeded: sum >> 16)
}

/// Pillow's `blend`: in single precision, cut to a whole number. Only factors above 1 or below 0
/// leave 0...255, so clamping never changes the others.
@inline(__always)
private func blend(_ degenerate: Int32, _ value: Int32, _ factor: Float) -> UInt8 {
    let mixed = Float(degenerate) + factor * Float(value &- degenerate)
    return UInt8(min(max(mixed, 0), 255))
}

private func blendTable(with degenerate: UInt8, factor: Float) -> [UInt8] {
    (0..<256).map { blend(Int32(degenerate), $0, factor) }
}

private func mirrorRows(_ pixels: inout [UInt8], size: Size, channels: Int) {
    let rowLength = size.width * channels
    pixels.withUnsafeMutableBufferPointer { pixels in
        for row in 0..<size.height {
            var left = row * rowLength
            var right = left + rowLength - channels
            while left < right {
                for channel in 0..<channels { pixels.swapAt(left + channel, right + channel) }
                left += channels
                right -= channels
            }
        }
    }
}
