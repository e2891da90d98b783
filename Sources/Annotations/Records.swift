package import Imaging

/// An entry of `images`.
package struct ImageRecord: Sendable {
    /// The place in `images`.
    package let index: Int
    package let id: RecordID
    /// As written in the file; use ``relativePath()`` to open it.
    package let fileName: String
    /// Nil where the file gives neither width nor height.
    package let size: Size?

    /// The file name, if it stays inside the images folder.
    ///
    /// - Throws: ``AnnotationError/unsafeFileName(_:reason:)`` for an empty or absolute name, one with a
    ///   `..` component, or one that holds a NUL.
    package func relativePath() throws -> String {
        if let reason = Self.fault(in: fileName) {
            throw AnnotationError.unsafeFileName(fileName, reason: reason)
        }
        return fileName
    }

    package static func fault(in name: String) -> String? {
        if name.isEmpty { return "is empty" }
        if name.utf8.contains(0) { return "holds a NUL character" }
        if name.utf8.first == UInt8(ascii: "/") { return "is absolute" }
        let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true)
        if parts.contains(where: { $0.elementsEqual("..".utf8) }) {
            return "leads out of the images folder"
        }
        if parts.allSatisfy({ $0.elementsEqual(".".utf8) }) { return "names a folder" }
        return nil
    }
}

/// An entry of `categories`.
package struct CategoryRecord: Sendable, Equatable {
    /// The place in `categories`; the compact category id of SPEC §2.2 is one more.
    package let index: Int
    package let id: RecordID
    package let name: String?
}

/// Why an annotation can't get a mask.
package enum LabelObstacle: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    case emptyBox
    case boxOutsideImage
    case unknownImage

    package var description: String {
        switch self {
        case .emptyBox: "the box has no area"
        case .boxOutsideImage: "the box lies outside the image"
        case .unknownImage: "there is no image with this image_id"
        }
    }
}

/// An entry of `annotations`. Byte ranges are those of the file.
package struct AnnotationRecord: Sendable {
    package let id: RecordID
    package let imageID: RecordID
    package let categoryID: RecordID?
    /// The box as the file has it: upper left corner, width and height in pixels.
    package internal(set) var x, y, width, height: Double
    let indexBits: UInt32
    var imageBits: Int32 = -1
    var categoryBits: Int32 = -1
    let bytes, segmentationBytes, areaBytes: ByteRange
    package let isCrowd: Bool
    package internal(set) var obstacle: LabelObstacle?
    /// The box reaches out of the image on some side and is clipped for labelling.
    package internal(set) var isClipped = false
    /// The file has no box: this is that of the mask.
    package internal(set) var hasBoxOfMask = false
    /// A wanted key occurs more than once; the last one counts.
    let hasRepeatedKeys: Bool

    /// The place in `annotations`.
    package var index: Int { Int(indexBits) }
    /// The place of its image in `images`; nil if there is none.
    package var imageIndex: Int? { imageBits < 0 ? nil : Int(imageBits) }
    /// The place of its category in `categories`; nil if there is none.
    package var categoryIndex: Int? { categoryBits < 0 ? nil : Int(categoryBits) }
    /// The box with its far corner, not clipped.
    package var box: Box { Box(cocoX: x, y: y, width: width, height: height) }
    /// The whole record, braces included.
    package var range: Range<Int> { bytes.range }
    /// The value of `segmentation`; nil if the key is absent.
    package var segmentationRange: Range<Int>? { segmentationBytes.present }
    /// The value of `area`; nil if the key is absent.
    package var areaRange: Range<Int>? { areaBytes.present }
}

/// A range of bytes of a file below 4 GiB; empty means absent.
struct ByteRange: Sendable {
    var begin: UInt32 = 0
    var end: UInt32 = 0

    var range: Range<Int> { Int(begin)..<Int(end) }
    var present: Range<Int>? { begin < end ? range : nil }
}
