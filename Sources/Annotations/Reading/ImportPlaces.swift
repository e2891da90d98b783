/// Where the records of a data set that is no COCO file were read: what messages name instead.
package struct ImportPlaces: Sendable {
    /// A place in one of the files; number 0 means the file as a whole.
    package struct Place: Sendable {
        package let file: Int32
        package let number: Int32

        package init(file: Int32, number: Int32) {
            self.file = file
            self.number = number
        }
    }

    /// What the numbers count: `line`, `shape`, `detection`.
    package var unit = "line"
    package private(set) var files: [String] = []
    /// By place in `annotations`.
    package var annotations: [Place] = []
    /// By place in `images`.
    package var images: [Place] = []

    package init() {}

    package mutating func addFile(_ path: String) -> Int32 {
        files.append(path)
        return Int32(files.count - 1)
    }

    package func text(of subject: Problem.Subject) -> String? {
        switch subject {
        case .file, .category: nil
        case .image(let index, _): index < images.count ? text(images[index]) : nil
        case .annotation(let index, _): index < annotations.count ? text(annotations[index]) : nil
        }
    }

    package func text(_ place: Place) -> String {
        let file = files[Int(place.file)]
        return place.number > 0 ? "\(file) \(unit) \(place.number)" : file
    }
}
