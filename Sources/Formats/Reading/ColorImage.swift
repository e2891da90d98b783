import Annotations
import Imaging

/// An image whose pixels are colours that stand for numbers.
struct ColorImage {
    let size: Size
    /// The colours, red in the highest of 24 bits, in the order in which they come; black is first.
    let colors: [UInt32]
    /// The place of each pixel's colour, column by column.
    private let labels: LabelImage

    static let colorLimit = 65_535

    /// - Throws: `ImageError`; `.unsupported` for what is no PNG, and for a photograph.
    init(path: String) throws(ImageError) {
        let format = try ImageCodec.header(path: path).format
        guard format == .png else {
            throw .unsupported(
                file: path, format: format, what: "colours of masks are read from PNG only")
        }
        let image = try ImageCodec.decode(path: path)
        size = image.size
        var colors: [UInt32] = [0]
        var places: [UInt32: UInt16] = [0: 0]
        var (last, lastPlace): (UInt32, UInt16) = (0, 0)
        var isPhotograph = false
        let rows = [UInt16](unsafeUninitializedCapacity: image.pixels.count / 3) { rows, count in
            image.pixels.withUnsafeBufferPointer { pixels in
                for pixel in 0..<pixels.count / 3 {
                    let color =
                        UInt32(pixels[3 * pixel]) << 16 | UInt32(pixels[3 * pixel + 1]) << 8
                        | UInt32(pixels[3 * pixel + 2])
                    if color != last {
                        last = color
                        if let known = places[color] {
                            lastPlace = known
                        } else if colors.count <= Self.colorLimit {
                            lastPlace = UInt16(colors.count)
                            places[color] = lastPlace
                            colors.append(color)
                        } else {
                            isPhotograph = true
                        }
                    }
                    rows[pixel] = lastPlace
                }
            }
            count = image.pixels.count / 3
        }
        guard !isPhotograph else {
            throw .damaged(
                file: path, format: .png, reason: "it has more than \(Self.colorLimit) colours")
        }
        self.colors = colors
        labels = LabelImage(size: size, rows: rows)
    }

    /// The mask of each colour but black.
    func masks() -> [UInt32: RLE] {
        Dictionary(uniqueKeysWithValues: labels.masks().map { (colors[$0.number], $0.mask) })
    }

    /// The same image with the number that each colour stands for.
    func numbered(
        _ number: (UInt32) throws(ImageError) -> UInt16
    ) throws(ImageError) -> LabelImage {
        var numbers: [UInt16] = []
        for color in colors { numbers.append(try number(color)) }
        return LabelImage(size: size, columns: labels.columns.map { numbers[Int($0)] })
    }

    /// The place of the first pixel of a colour, for a message.
    func firstPixel(of color: UInt32) -> String {
        let place = colors.firstIndex(of: color) ?? 0
        return labels.pixel(labels.columns.firstIndex { Int($0) == place } ?? 0)
    }

    /// As legends write it.
    static func text(_ color: UInt32) -> String {
        "\(color >> 16),\(color >> 8 & 255),\(color & 255)"
    }
}
