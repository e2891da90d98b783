package import Annotations
package import Formats
import Foundation
package import Specs

/// How annotations are read where their content does not say it all.
public struct InputOptions: Sendable {
    /// The name of a format, one of ``formatNames``; nil tells it by content and layout.
    public var format: String?
    /// A file whose images and categories a list of detections means.
    public var imagesFrom: String?

    public init(format: String? = nil, imagesFrom: String? = nil) {
        self.format = format
        self.imagesFrom = imagesFrom
    }

    /// The names of the formats that annotations can come in.
    public static var formatNames: [String] { AnnotationFormat.allCases.map(\.name) }

    /// - Throws: `LabelingError.wrongUse` for a format that can't be read.
    package func source(
        _ path: String, imagesDirectory: String?, appliesEXIF: Bool
    ) throws -> AnnotationSource {
        let known = format.flatMap(AnnotationFormat.init(named:))
        if let format, known == nil {
            throw LabelingError.wrongUse(
                "the format must be one of \(Self.formatNames.joined(separator: ", ")), is "
                    + format)
        }
        return AnnotationSource(
            path: path, format: known, imagesDirectory: imagesDirectory, imagesFrom: imagesFrom,
            appliesEXIF: appliesEXIF)
    }
}

/// Reads and validates; warnings go to `onEvent`, the first ones in full.
package func readAnnotations(
    _ source: AnnotationSource, onEvent: RunEventHandler
) throws -> AnnotationFile {
    let file = try AnnotationFile.read(source)
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
