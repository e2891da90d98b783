import Annotations
import Files
public import Formats
import Foundation
import Specs

/// How masks are written in other formats; one set for all outputs of a command.
public struct ExportSettings: Sendable, Equatable {
    /// How far polygons may be from the mask's outline, in pixels.
    public var tolerance = 0.0
    public var isSubpixel = false
    /// `edges` or `centres`: which pixels the readers of yolo-seg will fill. Nil is `centres`, as
    /// ultralytics fills them.
    public var polygonFill: String?
    /// Copies photographs into a data set that has a folder for them, or gives them a second name
    /// there, which takes no space.
    public var copiesImages = false
    public var linksImages = false
    /// `area` or `score`.
    public var overlap = "area"
    public var voidBorder = 0
    public var overwrites = false

    public init() {}

    package func options(images: String?, appliesEXIF: Bool) throws -> ExportOptions {
        var options = ExportOptions()
        guard (0...1000).contains(tolerance) else {
            throw LabelingError.wrongOption("--tolerance must be 0 to 1000 pixels, is \(tolerance)")
        }
        guard (0...1000).contains(voidBorder) else {
            throw LabelingError.wrongOption(
                "--void-border must be 0 to 1000 pixels, is \(voidBorder)")
        }
        guard let overlap = ExportOptions.Overlap(rawValue: overlap) else {
            throw LabelingError.wrongOption("--overlap must be area or score, is \(overlap)")
        }
        options.outline = OutlineOptions(tolerance: tolerance, isSubpixel: isSubpixel)
        if copiesImages || linksImages {
            guard images != nil, copiesImages != linksImages else {
                throw LabelingError.wrongOption(
                    "--copy-images or --link-images: give one of them, and --images")
            }
            options.images = copiesImages ? .copied : .linked
        }
        if let name = polygonFill {
            guard let fill = PolygonFill(rawValue: name) else {
                throw LabelingError.wrongOption(
                    "--polygon-fill must be edges or centres, is \(name)")
            }
            guard fill == .edges || !isSubpixel else {
                throw LabelingError.wrongOption(
                    "--subpixel draws along the edges of pixels: use it with --polygon-fill edges")
            }
            options.fill = fill
        }
        options.overlap = overlap
        options.voidBorder = voidBorder
        options.overwrites = overwrites
        options.imagesDirectory = images
        options.appliesEXIF = appliesEXIF
        return options
    }
}

extension OutputTarget {
    /// A path alone is COCO JSON.
    ///
    /// - Throws: `LabelingError.wrongOption` for a prefix that is no format's name.
    public init(_ text: String) throws {
        guard let colon = text.firstIndex(of: ":"), !text[..<colon].contains("/") else {
            self.init(format: .coco, path: text)
            return
        }
        let name = String(text[..<colon])
        guard let format = AnnotationFormat(named: name) else {
            throw LabelingError.wrongOption(
                "--out \(text): there is no format \(name); "
                    + AnnotationFormat.unknown(name, output: true)
                    + ". A file of this name is ./\(text)")
        }
        self.init(format: format, path: String(text[text.index(after: colon)...]))
    }

    /// The COCO JSON file that a labelling run writes, and the outputs made from it afterwards.
    ///
    /// Without a COCO output the file lies beside the first of the others.
    public static func split(
        _ texts: [String]
    ) throws -> (primary: String, others: [OutputTarget]) {
        var targets: [OutputTarget] = []
        for text in texts { targets.append(try OutputTarget(text)) }
        for target in targets where target.path.isEmpty {
            throw LabelingError.wrongOption(
                "--out \(target.format.name): has no path after the colon")
        }
        let paths = targets.map { URL(fileURLWithPath: $0.path).standardizedFileURL.path }
        guard Set(paths).count == paths.count else {
            throw LabelingError.wrongOption("--out: two outputs have the same path")
        }
        if let place = targets.firstIndex(where: { $0.format == .coco }) {
            let primary = targets.remove(at: place)
            return (primary.path, targets)
        }
        guard let first = targets.first else {
            throw LabelingError.wrongOption("--out: give a path")
        }
        var path = first.path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return (path + ".masks.json", targets)
    }
}
