import Annotations
import Formats
import Foundation
import Testing

/// The start of a PNG file of a size: all that a reader of labels looks at.
func pngHeader(width: Int, height: Int) -> [UInt8] {
    func integer(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(value >> $0 & 255) } }
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + integer(13) + Array("IHDR".utf8)
        + integer(width) + integer(height) + [8, 2, 0, 0, 0] + integer(0)
        + integer(0) + Array("IDAT".utf8) + integer(0)
}

extension TestFolder {
    /// Writes a file and the folders above it.
    @discardableResult
    func add(_ name: String, _ text: String) throws -> String { try add(name, Array(text.utf8)) }

    @discardableResult
    func add(_ name: String, _ bytes: [UInt8]) throws -> String {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
        return url.path
    }

    /// Reads annotations of any format.
    func load(
        _ name: String, format: AnnotationFormat? = nil, images: String? = nil,
        imagesFrom: String? = nil
    ) throws -> AnnotationFile {
        try AnnotationFile.read(
            AnnotationSource(
                path: path + "/" + name, format: format,
                imagesDirectory: images.map { path + "/" + $0 },
                imagesFrom: imagesFrom.map { path + "/" + $0 }))
    }

    /// What reading fails with, the folder's own path left out.
    func failure(
        _ name: String, format: AnnotationFormat? = nil, images: String? = nil,
        imagesFrom: String? = nil
    ) -> String {
        do {
            let file = try load(name, format: format, images: images, imagesFrom: imagesFrom)
            return "accepted as \(file.format.name) with \(file.annotations.count) records"
        } catch {
            return "\(error)".replacingOccurrences(of: path + "/", with: "")
        }
    }

    func warnings(_ file: AnnotationFile) -> [String] {
        file.problems.warnings.map {
            $0.description.replacingOccurrences(of: path + "/", with: "")
        }
    }
}

/// A record as a line: image, category, box.
func lines(_ file: AnnotationFile) -> [String] {
    file.annotations.map { annotation in
        let image = annotation.imageIndex.map { file.images[$0].fileName } ?? "?"
        let category = annotation.categoryIndex.flatMap { file.categories[$0].name } ?? "?"
        let box = [annotation.x, annotation.y, annotation.width, annotation.height]
            .map { String(format: "%.6g", $0) }.joined(separator: " ")
        return "\(image) \(category) \(box)"
    }
}
