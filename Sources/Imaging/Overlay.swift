/// A picture of instances: each mask tinted and outlined in a colour of its own, each box a thin
/// rectangle in the same colour.
package struct Overlay: Sendable {
    package private(set) var image: RGBImage
    /// How much of the colour covers a masked pixel, 0…1.
    package var opacity = 0.45
    private let lineWidth: Int

    package init(_ image: RGBImage) {
        self.image = image
        lineWidth = min(image.size.width, image.size.height) >= 400 ? 2 : 1
    }

    /// The colour of instance `index`: hues a golden angle apart, so that neighbours in the list
    /// differ, in three strengths, so that hues may come near each other again.
    package static func color(_ index: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
        let turns = Double(wrap(index, 1 << 20)) * 0.618033988749895
        let hue = (turns - turns.rounded(.down)) * 6
        let strengths: [(saturation: Double, value: Double)] = [(0.85, 1), (0.6, 1), (0.95, 0.8)]
        let (saturation, value) = strengths[wrap(index, 3)]
        // The distance on the wheel from each primary decides how much of it there is.
        func channel(_ offset: Double) -> UInt8 {
            let position = (hue + offset).truncatingRemainder(dividingBy: 6)
            let share = min(max(abs(position - 3) - 1, 0), 1)
            return UInt8((255 * value * (1 - saturation * (1 - share))).rounded())
        }
        return (channel(0), channel(4), channel(2))
    }

    /// Tints the mask's pixels and outlines it, just inside its edge.
    ///
    /// - Parameter mask: of the image's size.
    package mutating func draw(_ mask: Mask, index: Int) {
        precondition(mask.size == image.size, "mask \(mask.size) on an image of \(image.size)")
        guard let window = mask.bounds else { return }
        let color = Self.color(index)
        let tint = [color.red, color.green, color.blue].map(Double.init)
        let width = image.size.width
        for y in window.minY..<window.maxY {
            for x in window.minX..<window.maxX where mask.pixels[y * width + x] != 0 {
                let cover = mask.isNearEdge(x: x, y: y, within: lineWidth) ? 1 : opacity
                let start = (y * width + x) * 3
                for channel in 0..<3 {
                    let old = Double(image.pixels[start + channel])
                    image.pixels[start + channel] =
                        UInt8((old + (tint[channel] - old) * cover).rounded())
                }
            }
        }
    }

    /// Draws the box's rectangle, as far as it lies in the image.
    package mutating func draw(_ box: Box, index: Int) {
        guard let inside = box.clipped(to: image.size) else { return }
        let color = Self.color(index)
        let left = Int(inside.minX)
        let top = Int(inside.minY)
        let right = max(Int(inside.maxX.rounded(.up)) - 1, left)
        let bottom = max(Int(inside.maxY.rounded(.up)) - 1, top)
        for x in left...right {
            set(color, x: x, y: top)
            set(color, x: x, y: bottom)
        }
        for y in top...bottom {
            set(color, x: left, y: y)
            set(color, x: right, y: y)
        }
    }

    private mutating func set(
        _ color: (red: UInt8, green: UInt8, blue: UInt8), x: Int, y: Int
    ) {
        let start = (y * image.size.width + x) * 3
        image.pixels[start] = color.red
        image.pixels[start + 1] = color.green
        image.pixels[start + 2] = color.blue
    }
}

extension Mask {
    /// The smallest window around the pixels that are set, or nil if none is.
    package var bounds: CropWindow? {
        var window: CropWindow?
        pixels.withUnsafeBufferPointer { values in
            for y in 0..<size.height {
                let row = values[(y * size.width)..<((y + 1) * size.width)]
                guard let first = row.firstIndex(where: { $0 != 0 }),
                    let last = row.lastIndex(where: { $0 != 0 })
                else { continue }
                let (minX, maxX) = (first - row.startIndex, last - row.startIndex + 1)
                window = CropWindow(
                    minX: min(window?.minX ?? minX, minX), minY: window?.minY ?? y,
                    maxX: max(window?.maxX ?? maxX, maxX), maxY: y + 1)
            }
        }
        return window
    }

    /// Whether a pixel that is not set, or the image's end, lies within `distance` steps along an
    /// axis.
    fileprivate func isNearEdge(x: Int, y: Int, within distance: Int) -> Bool {
        for step in 1...distance {
            if x < step || y < step || x + step >= size.width || y + step >= size.height {
                return true
            }
            let center = y * size.width + x
            if pixels[center - step] & pixels[center + step] & pixels[center - step * size.width]
                & pixels[center + step * size.width] == 0
            {
                return true
            }
        }
        return false
    }
}
