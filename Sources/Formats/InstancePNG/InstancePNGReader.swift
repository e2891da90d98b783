import Annotations
import CJSON
import Files
import Imaging

/// A PNG a mask, as `mal convert --to png` writes it: COCO JSON whose annotations have the name of
/// an image in `mask_file`. Pixels above 0 are the mask's.
enum InstancePNGReader {
    static let fileName = "annotations.json"
    static let maskFolder = "masks"

    static func read(_ source: AnnotationSource) throws -> AnnotationFile {
        let isFolder = FolderListing.isFolder(source.path)
        let path = isFolder ? LabelFiles.join(source.path, fileName) : source.path
        let folder = isFolder ? source.path : LabelFiles.split(source.path).folder
        let file = try AnnotationFile.read(path: path)
        var problems = ProblemList(file: path)
        var masks: [AnnotationResult?] = []
        masks.reserveCapacity(file.annotations.count)
        for annotation in file.annotations {
            do {
                masks.append(try mask(of: annotation, file, folder).map { AnnotationResult($0) })
            } catch {
                masks.append(nil)
                guard case AnnotationError.problem(let problem) = error else { throw error }
                problems.add(
                    .error, at: problem.file, problem.subject, field: problem.field,
                    expected: problem.expected, found: problem.found)
            }
        }
        guard problems.errorCount == 0 else { throw AnnotationError.invalid(problems) }
        let document = AnnotationWriter(file).document { place in
            masks[place].map {
                [
                    ("segmentation", $0.segmentation(isSpaced: true)),
                    // The mask is in the record now: the file's name would be one too many.
                    ("mask_file", Array("null".utf8)),
                ]
            }
        }
        return try AnnotationFile(
            AnnotationReader(path: path, bytes: FileBytes(document, path: path)),
            path: source.path, format: .png)
    }

    /// Nil for an annotation without a file.
    private static func mask(
        of annotation: AnnotationRecord, _ file: AnnotationFile, _ folder: String
    ) throws -> RLE? {
        func problem(_ expected: String, _ found: String) -> AnnotationError {
            .problem(
                file.problem(
                    .error, annotation, field: "mask_file", expected: expected, found: found))
        }
        guard let value = file.member("mask_file", of: annotation) else { return nil }
        let spelled = file.text(value)
        if spelled == "null" { return nil }
        let isText = spelled.utf8.first == UInt8(ascii: "\"")
        guard isText, let name = file.bytes.withBytes({ JSONScanner($0, value).text(value) }) else {
            throw problem("a text", spelled.quoted)
        }
        if let fault = ImageRecord.fault(in: name) {
            throw problem("a path inside the folder", "\(name.quoted), which \(fault)")
        }
        let mask: RLE
        do throws(ImageError) {
            mask = try RLE(labels: LabelFiles.join(folder, name))
        } catch {
            throw problem("a PNG of a mask", error.description)
        }
        if let size = annotation.imageIndex.flatMap({ file.images[$0].size }), size != mask.size {
            throw problem("\(size), its image's size", "\(mask.size) in \(name.quoted)")
        }
        return mask
    }
}
