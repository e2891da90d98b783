/// What lies outside the image in a crop.
enum CropEdge {
    /// The opposite side of the image (SPEC §3.2), at any distance.
    case wrapped
    /// Zeros.
    case zero
}

extension RGBImage {
    /// The pixels under `window`; outside the image those of the opposite side (SPEC §3.2).
    public func wrappedCrop(_ window: CropWindow) throws(ImageError) -> RGBImage {
        let pixels = try window.cut(pixels, size: size, channels: 3, edge: .wrapped)
        return RGBImage(size: window.size, pixels: pixels)
    }
}

extension Mask {
    /// The mask under `window`; outside the image that of the opposite side (SPEC §3.2).
    public func wrappedCrop(_ window: CropWindow) throws(ImageError) -> Mask {
        let pixels = try window.cut(pixels, size: size, channels: 1, edge: .wrapped)
        return Mask(size: window.size, pixels: pixels)
    }

    /// The mask under `window`; outside the image 0 (SPEC §3.2, `boxmask`).
    public func zeroPaddedCrop(_ window: CropWindow) throws(ImageError) -> Mask {
        let pixels = try window.cut(pixels, size: size, channels: 1, edge: .zero)
        return Mask(size: window.size, pixels: pixels)
    }
}

extension CropWindow {
    /// The longest side of a crop. Weights and buffers of a resize grow with it, so it bounds
    /// memory (about 100 MB for the longest).
    static let longestSide = 1 << 22
    /// The most pixels in a crop that is made without resizing.
    static let mostPixels = 1 << 28

    init(wholeOf image: Size) {
        self.init(minX: 0, minY: 0, maxX: image.width, maxY: image.height)
    }

    func check(against image: Size) throws(ImageError) {
        guard width > 0, height > 0 else { throw .impossibleCrop(window: self, reason: "is empty") }
        guard image.width > 0, image.height > 0 else {
            throw .impossibleCrop(window: self, reason: "is of an image without pixels")
        }
        guard max(width, height) <= Self.longestSide else {
            throw .impossibleCrop(
                window: self, reason: "must be at most \(Self.longestSide) pixels a side")
        }
    }

    fileprivate func cut(
        _ pixels: [UInt8], size: Size, channels: Int, edge: CropEdge
    ) throws(ImageError) -> [UInt8] {
        try check(against: size)
        guard width * height <= Self.mostPixels else {
            throw .impossibleCrop(
                window: self, reason: "must have at most \(Self.mostPixels) pixels")
        }
        let rowLength = width * channels
        var rows = CropRows(window: self, image: size, channels: channels, edge: edge)
        return [UInt8](unsafeUninitializedCapacity: height * rowLength) { output, count in
            count = height * rowLength
            pixels.withUnsafeBufferPointer { source in
                for row in 0..<height {
                    rows.withRow(row, of: source) { pixels in
                        (output.baseAddress! + row * rowLength)
                            .update(from: pixels, count: rowLength)
                    }
                }
            }
        }
    }
}

/// Hands out the rows of a crop one by one; only rows that leave the image are copied.
struct CropRows {
    let window: CropWindow
    let image: Size
    let channels: Int
    let edge: CropEdge
    private let liesInside: Bool
    private var scratch: [UInt8]

    init(window: CropWindow, image: Size, channels: Int, edge: CropEdge) {
        self.window = window
        self.image = image
        self.channels = channels
        self.edge = edge
        liesInside = window.minX >= 0 && window.maxX <= image.width
        let scratchLength = (liesInside && edge == .wrapped) ? 0 : window.width * channels
        scratch = [UInt8](repeating: 0, count: scratchLength)
    }

    /// Calls `body` with row `row` of the crop: `window.width` pixels.
    mutating func withRow(
        _ row: Int, of source: UnsafeBufferPointer<UInt8>, _ body: (UnsafePointer<UInt8>) -> Void
    ) {
        var y = window.minY + row
        if y < 0 || y >= image.height {
            guard edge == .wrapped else {
                scratch.withUnsafeMutableBufferPointer { buffer in
                    buffer.update(repeating: 0)
                    body(buffer.baseAddress!)
                }
                return
            }
            y = wrap(y, image.height)
        }
        let line = source.baseAddress! + y * image.width * channels
        if liesInside {
            body(line + window.minX * channels)
            return
        }
        scratch.withUnsafeMutableBufferPointer { [window, image, channels, edge] buffer in
            let output = buffer.baseAddress!
            switch edge {
            case .wrapped:
                window.copyWrapped(line, width: image.width, channels: channels, to: output)
            case .zero:
                window.copyPadded(line, width: image.width, channels: channels, to: output)
            }
            body(output)
        }
    }
}

extension CropWindow {
    /// The window's columns of one image line, taken from the other side outside the image.
    fileprivate func copyWrapped(
        _ line: UnsafePointer<UInt8>, width imageWidth: Int, channels: Int,
        to output: UnsafeMutablePointer<UInt8>
    ) {
        var x = wrap(minX, imageWidth)
        var done = 0
        while done < width {
            let count = min(imageWidth - x, width - done)
            (output + done * channels).update(from: line + x * channels, count: count * channels)
            done += count
            x = 0
        }
    }

    /// The window's columns of one image line, 0 outside the image.
    fileprivate func copyPadded(
        _ line: UnsafePointer<UInt8>, width imageWidth: Int, channels: Int,
        to output: UnsafeMutablePointer<UInt8>
    ) {
        output.update(repeating: 0, count: width * channels)
        let start = max(minX, 0)
        let end = min(maxX, imageWidth)
        guard start < end else { return }
        (output + (start - minX) * channels)
            .update(from: line + start * channels, count: (end - start) * channels)
    }
}

/// `position` modulo `length`, never negative.
func wrap(_ position: Int, _ length: Int) -> Int {
    let remainder = position % length
    return remainder < 0 ? remainder + length : remainder
}
