package import Imaging

/// Which annotations the reference takes as samples (SPEC §2.1): boxes inside the image, with sides
/// above 2 pixels and an area strictly between two limits.
package struct TAOFilter: Sendable, Hashable {
    package var minArea: Double
    package var maxArea: Double

    package init(minArea: Double, maxArea: Double) {
        self.minArea = minArea
        self.maxArea = maxArea
    }

    /// The limits that validation and inference use, whatever the spec says.
    package static let validation = TAOFilter(minArea: 0, maxArea: 1e9)

    package func keeps(_ annotation: AnnotationRecord, imageSize: Size) -> Bool {
        let area = annotation.width * annotation.height
        return annotation.x >= 0 && annotation.y >= 0
            && annotation.x + annotation.width <= Double(imageSize.width)
            && annotation.y + annotation.height <= Double(imageSize.height)
            && minArea < area && area < maxArea && annotation.width > 2 && annotation.height > 2
    }

    /// The same by the size that the file gives; false where it gives none.
    package func keeps(_ annotation: AnnotationRecord, in file: AnnotationFile) -> Bool {
        guard let size = annotation.imageIndex.flatMap({ file.images[$0].size }) else {
            return false
        }
        return keeps(annotation, imageSize: size)
    }
}

extension AnnotationRecord {
    /// 1 + the place of its category in `categories` (SPEC §2.2); nil without a category.
    package var compactCategoryID: Int? { categoryIndex.map { $0 + 1 } }
}
