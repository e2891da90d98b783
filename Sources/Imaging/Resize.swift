/// Bicubic resizing, byte-equal to Pillow 11.1 (SPEC §3.3): Keys' cubic with a = −0.5, widened when
/// reducing, 22-bit integer weights, horizontal pass first, 8-bit values between the passes.
extension RGBImage {
    /// The image resized to `target`, as Pillow's `resize` with `BICUBIC`.
    package func resized(to target: Size) throws(ImageError) -> RGBImage {
        try wrappedCrop(CropWindow(wholeOf: size), resizedTo: target)
    }

    /// `wrappedCrop(window)` resized to `target`, without making the crop in between.
    ///
    /// - Parameter isMirrored: whether the result is turned about its vertical axis.
    package func wrappedCrop(
        _ window: CropWindow, resizedTo target: Size, isMirrored: Bool = false
    ) throws(ImageError) -> RGBImage {
        let plan = try ResizePlan(
            window: window, image: size, target: target, isMirrored: isMirrored)
        return pixels.withUnsafeBufferPointer { bytes in
            plan.image(from: PixelSource(bytes: bytes, imageSize: size, channels: 3))
        }
    }
}

extension Mask {
    /// The mask resized to `target`, as Pillow's `resize` of a 0/1 grey image; it stays 0/1.
    package func resized(to target: Size) throws(ImageError) -> Mask {
        try wrappedCrop(CropWindow(wholeOf: size), resizedTo: target)
    }

    /// `wrappedCrop(window)` resized to `target`, without making the crop in between.
    ///
    /// - Parameter isMirrored: whether the result is turned about its vertical axis.
    package func wrappedCrop(
        _ window: CropWindow, resizedTo target: Size, isMirrored: Bool = false
    ) throws(ImageError) -> Mask {
        try crop(window, resizedTo: target, edge: .wrapped, isMirrored: isMirrored)
    }

    /// `zeroPaddedCrop(window)` resized to `target`, without making the crop in between.
    package func zeroPaddedCrop(
        _ window: CropWindow, resizedTo target: Size
    ) throws(ImageError) -> Mask {
        try crop(window, resizedTo: target, edge: .zero)
    }

    private func crop(
        _ window: CropWindow, resizedTo target: Size, edge: CropEdge, isMirrored: Bool = false
    ) throws(ImageError) -> Mask {
        let plan = try ResizePlan(
            window: window, image: size, target: target, isMirrored: isMirrored)
        let resized = pixels.withUnsafeBufferPointer { bytes in
            plan.pixels(
                from: PixelSource(bytes: bytes, imageSize: size, channels: 1), edge: edge)
        }
        return Mask(size: target, pixels: resized)
    }
}

/// Both axes of a resize; made only for windows and targets of sensible size, so that its memory is
/// bounded by a small multiple of the window's sides and the target's area.
struct ResizePlan {
    let window: CropWindow
    let columns: BicubicAxis
    let rows: BicubicAxis

    init(
        window: CropWindow, image: Size, target: Size, isMirrored: Bool = false
    ) throws(ImageError) {
        try window.check(against: image)
        guard target.width > 0, target.height > 0, max(target.width, target.height) <= 1 << 15
        else {
            throw .impossibleCrop(
                window: window,
                reason: "must be resized to between 1 and 32768 pixels a side, not to \(target)")
        }
        self.window = window
        columns = BicubicAxis(
            from: window.width, to: target.width, isMirrored: isMirrored)
        rows = BicubicAxis(from: window.height, to: target.height)
    }

    func image(from source: PixelSource) -> RGBImage {
        RGBImage(
            size: Size(height: rows.outputs, width: columns.outputs),
            pixels: pixels(from: source, edge: .wrapped))
    }

    func pixels(from source: PixelSource, edge: CropEdge) -> [UInt8] {
        let byteCount = rows.outputs * columns.outputs * source.channels
        return [UInt8](unsafeUninitializedCapacity: byteCount) { output, count in
            run(on: source, edge: edge, into: output.baseAddress!)
            count = byteCount
        }
    }

    /// Rows of the crop are filtered horizontally as the vertical filter first needs them, and kept
    /// in a ring just long enough for one output row.
    ///
    /// - Parameter output: has room for `source.channels` bytes for every output pixel.
    func run(on source: PixelSource, edge: CropEdge, into output: UnsafeMutablePointer<UInt8>) {
        let level = InstructionSet.current
        let rowLength = columns.outputs * source.channels
        let ringLength = rows.longest
        var reader = CropRows(window: window, source: source, edge: edge)
        let ring = UnsafeMutablePointer<UInt8>.allocate(capacity: ringLength * rowLength)
        defer { ring.deallocate() }
        var filled = 0
        for index in 0..<rows.outputs {
            let needed = Int(rows.starts[index] + rows.counts[index])
            while filled < needed {
                let slot = ring + filled % ringLength * rowLength
                reader.withRow(filled) { row, readable in
                    if source.channels == 3 {
                        columns.filterColorRow(row, readable: readable, level: level, into: slot)
                    } else {
                        columns.filterGreyRow(row, into: slot)
                    }
                }
                filled += 1
            }
            rows.mixRows(
                index, ring: ring, ringLength: ringLength, rowLength: rowLength, level: level,
                into: output + index * rowLength)
        }
    }
}
