/// Where the records of a data set that is no COCO file were read: what messages name instead.
struct ImportPlaces: Sendable {
    /// A place in one of the files; number 0 means the file as a whole.
    struct Place: Sendable {
        let file: Int32
        let number: Int32
    }

    /// What the numbers count: `line`, `shape`, `detection`.
    var unit = "line"
    private(set) var files: [String] = []
    /// By place in `annotations`.
    var annotations: [Place] = []
    /// By place in `images`.
    var images: [Place] = []

    mutating func addFile(_ path: String) -> Int32 {
        files.append(path)
        return Int32(files.count - 1)
    }

    func text(of subject: Problem.Subject) -> String? {
        switch subject {
        case .file, .category: nil
        case .image(let index, _): index < images.count ? text(images[index]) : nil
        case .annotation(let index, _): index < annotations.count ? text(annotations[index]) : nil
        }
    }

    func text(_ place: Place) -> String {
        let file = files[Int(place.file)]
        return place.number > 0 ? "\(file) \(unit) \(place.number)" : file
    }
}
