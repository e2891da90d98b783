import Annotations
import Files
import Foundation
import Imaging

/// YOLO: `labels/NAME.txt` with a line an instance, a class number from 0 and shares of the image's
/// sides, and `data.yaml` with the names. With polygons (yolo-seg) or boxes.
struct YOLOWriter: ImageWriter {
    let traits: FormatTraits
    let imagesFolder: String? = "images"
    private let outliner: Outliner
    private let names: [String]

    init(_ file: AnnotationFile, hasPolygons: Bool, options: ExportOptions) {
        traits = hasPolygons ? .masks : .boxes
        var outline = options.outline
        outline.fill = options.fill ?? (outline.isSubpixel ? .edges : .centres)
        outliner = Outliner(options: outline)
        names = CategoryNumbers(file).names
    }

    var tables: [String] { ["data.yaml"] }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { ["labels/\(stem).txt"] }

    func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        var text = TextBuffer()
        for instance in image.instances {
            guard
                let numbers = traits.contains(.masks)
                    ? try polygon(of: instance, size: image.size, report: &report)
                    : box(of: instance, size: image.size, report: &report)
            else { continue }
            text.append(instance.category ?? 0)
            for number in numbers {
                text.append(" ")
                text.append(fixed: number)
            }
            text.append("\n")
            report.writtenCount += 1
        }
        // An empty file says that there is nothing in the image.
        try folder.write(text.bytes, to: "labels/\(image.stem).txt")
    }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        var text = TextBuffer()
        // Without `path` readers take the file's own folder, wherever they run.
        text.append("train: images\nval: images\nnames:\n")
        for (number, name) in names.enumerated() {
            text.append("  \(number): ")
            text.append(Self.yaml(name))
            text.append("\n")
        }
        try folder.write(text.bytes, to: "data.yaml")
    }

    /// A text as YAML. JSON's spelling is YAML too, but for what JSON writes as two surrogates or as it is.
    private static func yaml(_ text: String) -> String {
        let scalars = text.unicodeScalars.map { scalar in
            switch scalar.value {
            case 0x7F, 0x10000...: String(format: "\\U%08X", scalar.value)
            default:
                String(
                    decoding: PythonJSON.string(String(scalar)).dropFirst().dropLast(),
                    as: UTF8.self)
            }
        }
        return "\"" + scalars.joined() + "\""
    }

    private func box(
        of instance: ExportInstance, size: Size, report: inout ExportReport
    ) -> [Double]? {
        guard let box = instance.record.box.clipped(to: size) else {
            report.add(.outside)
            return nil
        }
        return [
            (box.minX + box.maxX) / 2 / Double(size.width),
            (box.minY + box.maxY) / 2 / Double(size.height), box.width / Double(size.width),
            box.height / Double(size.height),
        ]
    }

    private func polygon(
        of instance: ExportInstance, size: Size, report: inout ExportReport
    ) throws -> [Double]? {
        let sides = [Double(size.width), Double(size.height)]
        func shares(_ polygons: [[Double]]) -> [Double] {
            PolygonMask.joined(polygons).enumerated().map { place, value in
                outliner.options.fill == .centres
                    // Readers cut off what is after the point, some of them in float32.
                    ? min(((value + 0.01) / sides[place % 2] * 1e6).rounded(.up) / 1e6, 1)
                    : Self.share(of: value, side: sides[place % 2])
            }
        }
        let polygons = try outliner.polygons(of: instance, report: &report) { polygons in
            [shares(polygons).enumerated().map { $1 * sides[$0 % 2] }]
        }
        guard let polygons else { return nil }
        if polygons.count > 1 { report.add(.joinedParts) }
        return shares(polygons)
    }

    /// A share of six decimals. pycocotools takes corners to fifths of a pixel by adding a half and
    /// cutting off, and those of people, with one decimal, often lie just on the limit: a share that
    /// is a hair too small would take them to the fifth before. So those are rounded up.
    private static func share(of value: Double, side: Double) -> Double {
        let millionths = value / side * 1e6
        let fifths = value * 5 + 0.5
        let isOnLimit = abs(fifths - fifths.rounded()) < 1e-6
        let rounded = isOnLimit ? (millionths + 0.25).rounded(.up) : millionths.rounded()
        return min(max(rounded / 1e6, 0), 1)
    }
}
