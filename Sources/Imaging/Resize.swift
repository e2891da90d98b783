/// Bicubic resizing, byte-equal to Pillow 11.1 (SPEC §3.3): Keys' cubic with a = −0.5, widened when
/// reducing, 22-bit integer weights, horizontal pass first, 8-bit values between the passes.
extension RGBImage {
    /// The image resized to `target`, as Pillow's `resize` with `BICUBIC`.
    public func resized(to target: Size) throws(ImageError) -> RGBImage {
        try wrappedCrop(CropWindow(wholeOf: size), resizedTo: target)
    }

    /// `wrappedCrop(window)` resized to `target`, without making the crop in between.
    public func wrappedCrop(
        _ window: CropWindow, resizedTo target: Size
    ) throws(ImageError) -> RGBImage {
        let plan = try ResizePlan(window: window, image: size, target: target)
        return RGBImage(
            size: target, pixels: plan.run(on: pixels, size: size, channels: 3, edge: .wrapped))
    }
}

extension Mask {
    /// The mask resized to `target`, as Pillow's `resize` of a 0/1 grey image; it stays 0/1.
    public func resized(to target: Size) throws(ImageError) -> Mask {
        try wrappedCrop(CropWindow(wholeOf: size), resizedTo: target)
    }

    /// `wrappedCrop(window)` resized to `target`, without making the crop in between.
    public func wrappedCrop(
        _ window: CropWindow, resizedTo target: Size
    ) throws(ImageError) -> Mask {
        try crop(window, resizedTo: target, edge: .wrapped)
    }

    /// `zeroPaddedCrop(window)` resized to `target`, without making the crop in between.
    public func zeroPaddedCrop(
        _ window: CropWindow, resizedTo target: Size
    ) throws(ImageError) -> Mask {
        try crop(window, resizedTo: target, edge: .zero)
    }

    private func crop(
        _ window: CropWindow, resizedTo target: Size, edge: CropEdge
    ) throws(ImageError) -> Mask {
        let plan = try ResizePlan(window: window, image: size, target: target)
        return Mask(
            size: target, pixels: plan.run(on: pixels, size: size, channels: 1, edge: edge))
    }
}

/// Both axes of a resize; made only for windows and targets of sensible size, so that its memory is
/// bounded by a small multiple of the window's sides and the target's area.
struct ResizePlan {
    let window: CropWindow
    let columns: BicubicAxis
    let rows: BicubicAxis

    init(window: CropWindow, image: Size, target: Size) throws(ImageError) {
        try window.check(against: image)
        guard target.width > 0, target.height > 0, max(target.width, target.height) <= 1 << 15
        else {
            throw .impossibleCrop(
                window: window,
                reason: "must be resized to between 1 and 32768 pixels a side, not to \(target)")
        }
        self.window = window
        columns = BicubicAxis(from: window.width, to: target.width)
        rows = BicubicAxis(from: window.height, to: target.height)
    }

    /// Rows of the crop are filtered horizontally as the vertical filter first needs them, and kept
    /// in a ring just long enough for one output row.
    func run(on pixels: [UInt8], size: Size, channels: Int, edge: CropEdge) -> [UInt8] {
        let rowLength = columns.outputs * channels
        let ringLength = rows.longest
        var reader = CropRows(window: window, image: size, channels: channels, edge: edge)
        var ring = [UInt8](repeating: 0, count: ringLength * rowLength)
        var sums = [Int32](repeating: 0, count: rowLength)
        var filled = 0
        return [UInt8](unsafeUninitializedCapacity: rows.outputs * rowLength) { output, count in
            count = rows.outputs * rowLength
            pixels.withUnsafeBufferPointer { source in
                ring.withUnsafeMutableBufferPointer { ring in
                    sums.withUnsafeMutableBufferPointer { sums in
                        for index in 0..<rows.outputs {
                            let needed = rows.starts[index] + rows.counts[index]
                            while filled < needed {
                                let slot = ring.baseAddress! + filled % ringLength * rowLength
                                reader.withRow(filled, of: source) { row in
                                    columns.filterRow(row, channels: channels, into: slot)
                                }
                                filled += 1
                            }
                            rows.mixRows(
                                index, ring: ring.baseAddress!, ringLength: ringLength, sums: sums,
                                into: output.baseAddress! + index * rowLength)
                        }
                    }
                }
            }
        }
    }
}
