extension Mask {
    /// The box mask of SPEC §2.3 cropped without wrapping and resized: equal to
    /// `Mask(box: box, size: image).zeroPaddedCrop(window, resizedTo: target)`, in time and memory
    /// proportional to the result.
    ///
    /// The mask is the product of a row of 0/1 and a column of 0/1, and each pass of the resize
    /// keeps 0/1 values, so the result is the product of the two resized lines.
    package init(
        box: Box, image: Size, zeroPaddedCrop window: CropWindow, resizedTo target: Size
    ) throws(ImageError) {
        try self.init(box: box, image: image, window: window, target: target, edge: .zero)
    }

    /// The same with a toroidal crop (training): equal to
    /// `Mask(box: box, size: image).wrappedCrop(window, resizedTo: target)`.
    ///
    /// - Parameter isMirrored: whether the result is turned about its vertical axis.
    package init(
        box: Box, image: Size, wrappedCrop window: CropWindow, resizedTo target: Size,
        isMirrored: Bool = false
    ) throws(ImageError) {
        try self.init(
            box: box, image: image, window: window, target: target, edge: .wrapped,
            isMirrored: isMirrored)
    }

    private init(
        box: Box, image: Size, window: CropWindow, target: Size, edge: CropEdge,
        isMirrored: Bool = false
    ) throws(ImageError) {
        let plan = try ResizePlan(
            window: window, image: image, target: target, isMirrored: isMirrored)
        let row = plan.columns.resizedLine(
            of: BoxSpan(box.minX, box.maxX), from: window.minX, length: image.width, edge: edge)
        let column = plan.rows.resizedLine(
            of: BoxSpan(box.minY, box.maxY), from: window.minY, length: image.height, edge: edge)
        let pixels = [UInt8](
            unsafeUninitializedCapacity: target.width * target.height
        ) { output, count in
            count = target.width * target.height
            for y in 0..<target.height {
                let place = output.baseAddress! + y * target.width
                if column[y] == 0 {
                    place.update(repeating: 0, count: target.width)
                } else {
                    place.update(from: row, count: target.width)
                }
            }
        }
        self.init(size: target, pixels: pixels)
    }
}

extension BicubicAxis {
    /// The covered pixels of an axis of `length` pixels, cut out from `origin` on and resized.
    fileprivate func resizedLine(
        of span: BoxSpan, from origin: Int, length: Int, edge: CropEdge
    ) -> [UInt8] {
        let line = (0..<inputs).map { index -> UInt8 in
            let position = edge == .wrapped ? wrap(origin + index, length) : origin + index
            return position >= 0 && position < length && span.contains(position) ? 1 : 0
        }
        var resized = [UInt8](repeating: 0, count: outputs)
        resized.withUnsafeMutableBufferPointer { output in
            line.withUnsafeBufferPointer { row in
                filterGreyRow(row.baseAddress!, into: output.baseAddress!)
            }
        }
        return resized
    }
}
