import Annotations
import Files
import Imaging
import Inference

/// One box as the report's page knows it. The page reads numbers only and texts that it never
/// treats as markup; the file names of its pictures come from ranks, never from the input.
struct ReportEntry: Sendable {
    enum State: Int, Sendable { case masked = 0, cleaned = 1, unlabelled = 2 }

    let annotation: Int
    let state: State
    let score: Double?
    let iou: Double?
    /// The place among the reasons; nil for a box with a mask.
    let reason: Int?

    /// What orders boxes from worst to best; those without a mask come last.
    var quality: Double { state == .unlabelled ? 2 : iou ?? score ?? 1.5 }
}

/// A number between 0 and 1 in thousandths, -1 for none: short, and exact enough to sort by.
func thousandths(_ value: Double?) -> Int {
    guard let value, value.isFinite else { return -1 }
    return Int((min(max(value, 0), 1) * 1000).rounded())
}

/// Text for a script file: JSON, in which no character can end a script or start a tag wherever the
/// file's text may end up.
func scriptText(_ text: String) -> String {
    var out = ""
    for scalar in jsonText(text).unicodeScalars {
        switch scalar {
        case "<", ">", "&", "'", "\u{2028}", "\u{2029}", "\u{7F}":
            let hex = String(scalar.value, radix: 16)
            out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out
}

/// What is drawn of one box: where its picture was cut out, and masks on the picture's own grid.
struct ReportDrawing: Sendable {
    /// How a picture is cut out of a photograph.
    struct Kind: Sendable {
        /// The longer side of a picture in pixels, at the most.
        let side: Int
        /// Boxes of few pixels are enlarged no further than this.
        let largestScale: Double
        /// What is shown around the box on each side: a share of the box's side, and in pixels at the least.
        let margin: (share: Double, least: Double)

        /// A card of the gallery.
        static let thumbnail = Kind(side: 144, largestScale: 6, margin: (0.2, 6))
        /// An opened mask: the photograph's own pixels, with more of what is around.
        static let view = Kind(side: 640, largestScale: 1, margin: (0.5, 24))
    }

    let window: CropWindow
    let size: Size
    /// Pixels of the picture to one of the photograph.
    let scale: Double

    /// The window around a box with some of its surroundings, inside the image; nil without area.
    init?(around box: Box, in image: Size, _ kind: Kind) {
        guard let inside = box.clipped(to: image) else { return nil }
        let marginX = max(kind.margin.least, inside.width * kind.margin.share)
        let marginY = max(kind.margin.least, inside.height * kind.margin.share)
        let window = CropWindow(
            minX: max(0, Int(inside.minX - marginX)), minY: max(0, Int(inside.minY - marginY)),
            maxX: min(image.width, Int((inside.maxX + marginX).rounded(.up))),
            maxY: min(image.height, Int((inside.maxY + marginY).rounded(.up))))
        guard window.width > 0, window.height > 0 else { return nil }
        scale = min(
            Double(kind.side) / Double(max(window.width, window.height)), kind.largestScale)
        self.window = window
        size = Size(
            height: max(1, Int((Double(window.height) * scale).rounded())),
            width: max(1, Int((Double(window.width) * scale).rounded())))
    }

    /// The box's corners on the picture, in tenths of its pixels.
    func corners(of box: Box) -> [Int] {
        let scaleX = Double(size.width) / Double(window.width)
        let scaleY = Double(size.height) / Double(window.height)
        func tenths(_ value: Double) -> Int { Int((min(max(value, -1e4), 1e4) * 10).rounded()) }
        return [
            tenths((box.minX - Double(window.minX)) * scaleX),
            tenths((box.minY - Double(window.minY)) * scaleY),
            tenths((box.maxX - Double(window.minX)) * scaleX),
            tenths((box.maxY - Double(window.minY)) * scaleY),
        ]
    }

    /// A mask on the picture's grid as run lengths in text: rows from the top, zeros first, five
    /// bits a character, the sixth says that more follow.
    func text(of mask: RLE) -> String {
        let pixels = mask.pixels(in: window)
        var out: [UInt8] = []
        var length = 0
        var value: UInt8 = 0
        func end() {
            var rest = length
            repeat {
                let more = rest > 31
                out.append(Self.alphabet[rest & 31 | (more ? 32 : 0)])
                rest >>= 5
            } while rest > 0
        }
        for y in 0..<size.height {
            let row = (2 * y + 1) * window.height / (2 * size.height) * window.width
            for x in 0..<size.width {
                let pixel = pixels[row + (2 * x + 1) * window.width / (2 * size.width)]
                if pixel != value {
                    end()
                    value = pixel
                    length = 0
                }
                length += 1
            }
        }
        end()
        return String(decoding: out, as: UTF8.self)
    }

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
}
