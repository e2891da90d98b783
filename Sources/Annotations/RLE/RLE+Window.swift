package import Imaging

extension RLE {
    /// The part of the mask inside a window, row by row, 0 or 1; what lies outside the image is 0.
    /// Only the window is unpacked.
    package func pixels(in window: CropWindow) -> [UInt8] {
        let (width, height) = (window.width, window.height)
        var pixels = [UInt8](repeating: 0, count: width * height)
        guard width > 0, height > 0, size.height > 0 else { return pixels }
        pixels.withUnsafeMutableBufferPointer { pixels in
            forEachRun { start, length in
                let end = start + length
                let first = max(start / size.height, window.minX)
                let last = min((end - 1) / size.height, window.maxX - 1)
                guard first <= last else { return }
                for column in first...last {
                    let top = max(start - column * size.height, 0, window.minY)
                    let bottom = min(end - column * size.height, size.height, window.maxY)
                    guard top < bottom else { continue }
                    for row in top..<bottom {
                        pixels[(row - window.minY) * width + column - window.minX] = 1
                    }
                }
            }
        }
        return pixels
    }
}

extension RLE {
    /// The pixels of this mask that are not in `other`; the mask itself for a different size.
    package func without(_ other: RLE) -> RLE {
        guard size == other.size, let flipped = other.complement,
            let rest = RLE.intersection([self, flipped])
        else { return self }
        return rest
    }

    private var complement: RLE? {
        guard let first = counts.first else { return nil }
        return first == 0 ? RLE(size, Array(counts.dropFirst())) : RLE(size, [0] + counts)
    }
}
