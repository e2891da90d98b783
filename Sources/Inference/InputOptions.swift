package import Annotations
package import Formats
import Files
import Foundation
package import Specs

/// How annotations are read where their content does not say it all.
public struct InputOptions: Sendable {
    /// The name of a format, one of ``formatNames``; nil tells it by content and layout.
    public var format: String?
    /// A file whose images and categories a list of detections means.
    public var imagesFrom: String?
    /// Whether an image may lie in any folder below that of the images, if only one has its name.
    public var searchesNames: Bool
    /// `edges` or `centres`: which pixels the polygons of YOLO stand for; nil is `centres`.
    public var polygonFill: String?

    public init(
        format: String? = nil, imagesFrom: String? = nil, searchesNames: Bool = false,
        polygonFill: String? = nil
    ) {
        self.format = format
        self.imagesFrom = imagesFrom
        self.searchesNames = searchesNames
        self.polygonFill = polygonFill
    }

    /// The names of the formats that annotations can come in.
    public static var formatNames: [String] { AnnotationFormat.names() }

    /// - Throws: `LabelingError.wrongUse` for a format that can't be read.
    package func source(
        _ path: String, imagesDirectory: String?, appliesEXIF: Bool
    ) throws -> AnnotationSource {
        let known = format.flatMap(AnnotationFormat.init(named:))
        if let format, known == nil {
            throw LabelingError.wrongUse(
                "the format \(format): " + AnnotationFormat.unknown(format))
        }
        let fill = polygonFill.flatMap(PolygonFill.init(rawValue:))
        if let polygonFill, fill == nil {
            throw LabelingError.wrongUse("the fill must be edges or centres, is \(polygonFill)")
        }
        return AnnotationSource(
            path: path, format: known, imagesDirectory: imagesDirectory, imagesFrom: imagesFrom,
            appliesEXIF: appliesEXIF, searchesNames: searchesNames,
            polygonFill: fill)
    }
}

/// Refuses a data set of which no image is in its folder.
///
/// - Throws: `LabelingError.wrongUse` that shows names that were looked for and names that are there.
package func requireImages(of file: AnnotationFile, in folder: String) throws {
    func isThere(_ image: ImageRecord) -> Bool {
        guard let name = try? image.relativePath() else { return false }
        return access(folder + "/" + name, F_OK) == 0
    }
    guard !file.images.isEmpty, !file.images.contains(where: isThere) else { return }
    func list(_ names: some Sequence<String>) -> String {
        names.prefix(3).map { printable($0, limit: 120) }.joined(separator: ", ")
    }
    let wanted = list(file.images.map(\.fileName))
    let present = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let there = present.isEmpty ? "no files" : list(present.sorted())
    throw LabelingError.wrongUse(
        "\(file.path): none of its \(file.images.count) images is in \(folder): looked for "
            + "\(wanted); there are \(there) (another folder? --search-names looks below it)")
}

/// Reads and validates; warnings go to `onEvent`, the first ones in full.
package func readAnnotations(
    _ source: AnnotationSource, onEvent: RunEventHandler
) throws -> AnnotationFile {
    let file = try AnnotationFile.read(source)
    if let folder = source.imagesDirectory { try requireImages(of: file, in: folder) }
    for note in file.problems.notes { onEvent(.note("note: " + note)) }
    let shown = 5
    for problem in file.problems.warnings.prefix(shown) { onEvent(.warning(problem.message)) }
    let hidden = file.problems.warningCount - min(shown, file.problems.warnings.count)
    if hidden > 0 {
        onEvent(.warning("\(hidden) more findings: `mal validate \(source.path)` lists them"))
    }
    return file
}

package func checkFolder(_ path: String, _ key: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw LabelingError.wrongUse("\(key): the folder \(path) does not exist")
    }
    guard isFolder.boolValue else {
        throw LabelingError.wrongUse("\(key) must be a folder, \(path) is a file")
    }
}
