/// Image → annotations, in file order.
package struct AnnotationIndex: Sendable {
    private let starts: [Int32]
    private let places: [Int32]

    /// - Parameter isIncluded: which annotations to list; those without an image never are.
    package init(
        _ file: AnnotationFile, where isIncluded: (AnnotationRecord) -> Bool = { _ in true }
    ) {
        var starts = [Int32](repeating: 0, count: file.images.count + 1)
        var included: [(image: Int, place: Int32)] = []
        for (place, annotation) in file.annotations.enumerated() {
            guard let image = annotation.imageIndex, isIncluded(annotation) else { continue }
            starts[image + 1] += 1
            included.append((image, Int32(place)))
        }
        for image in file.images.indices { starts[image + 1] += starts[image] }
        var next = starts
        var places = [Int32](repeating: 0, count: included.count)
        for (image, place) in included {
            places[Int(next[image])] = place
            next[image] += 1
        }
        self.starts = starts
        self.places = places
    }

    /// The places in `annotations` of those of an image, given by its place in `images`.
    package subscript(image image: Int) -> [Int] {
        places[Int(starts[image])..<Int(starts[image + 1])].map { Int($0) }
    }

    /// The number of annotations listed.
    package var count: Int { places.count }
}
