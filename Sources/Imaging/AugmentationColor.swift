import CImaging

extension RGBImage {
    /// Changes the colours as Pillow's `ImageEnhance` and torchvision's `adjust_hue` do
    /// (SPEC §3.4), exact to the bit.
    package mutating func adjust(_ adjustment: ColorAdjustment) {
        switch adjustment {
        case .brightness(let factor): blend(with: 0, factor: Float(factor))
        case .contrast(let factor): blend(with: meanLuma, factor: Float(factor))
        case .saturation(let factor):
            let level = InstructionSet.current.rawValue
            pixels.withUnsafeMutableBufferPointer {
                ci_saturate(level, $0.baseAddress, $0.count / 3, Float(factor))
            }
        case .hue(let turn): turnHue(by: turn)
        }
    }

    /// Sets the three channels to the luma.
    package mutating func makeGrayscale() {
        let level = InstructionSet.current.rawValue
        pixels.withUnsafeMutableBufferPointer { ci_grey(level, $0.baseAddress, $0.count / 3) }
    }

    /// Turns the image about its vertical axis.
    package mutating func mirror() { mirrorRows(&pixels, size: size, channels: 3) }

    /// The mean luma, rounded half up; 0 of an image without pixels.
    private var meanLuma: UInt8 {
        guard !pixels.isEmpty else { return 0 }
        let level = InstructionSet.current.rawValue
        let sum = pixels.withUnsafeBufferPointer {
            ci_luma_sum(level, $0.baseAddress, $0.count / 3)
        }
        return UInt8(Double(sum) / Double(pixels.count / 3) + 0.5)
    }

    private mutating func blend(with degenerate: UInt8, factor: Float) {
        let level = InstructionSet.current.rawValue
        pixels.withUnsafeMutableBufferPointer {
            ci_blend(level, $0.baseAddress, $0.count, degenerate, factor)
        }
    }
}

extension Mask {
    /// Turns the mask about its vertical axis.
    package mutating func mirror() { mirrorRows(&pixels, size: size, channels: 1) }
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
