import Annotations
import Files
import Imaging

/// Pascal VOC's pairs of label images: `SegmentationObject` numbers the objects of an image,
/// `SegmentationClass` says what each is; 0 is the background, 255 is void.
///
/// CVAT and datumaro write colours for the numbers: VOC's own, or those that `labelmap.txt` says.
struct VOCMaskReader {
    private let source: AnnotationSource
    private let objects: String
    private let classes: String

    init(_ source: AnnotationSource) {
        self.source = source
        objects = LabelFiles.join(source.path, Self.objectFolder)
        classes = LabelFiles.join(source.path, "SegmentationClass")
    }

    static let objectFolder = "SegmentationObject"
    private static let void = 255
    /// The twenty classes of the challenge, which its data sets have no list of.
    private static let customary = [
        "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
        "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
        "train", "tvmonitor",
    ]

    func read(into records: inout ImportedRecords) throws {
        for folder in [objects, classes] where !FolderListing.isFolder(folder) {
            throw FileError.unreadable(
                path: source.path,
                reason: "expected a folder with SegmentationObject and SegmentationClass, found no "
                    + "\(folder.quoted) (--format semantic reads classes alone)")
        }
        records.places.unit = "object"
        let names = Dictionary(
            uniqueKeysWithValues: Self.customary.enumerated().map { ($0 + 1, $1) })
        let colors = try ColorLegend(in: source.path)
        let legend = try colors?.legend ?? LabelLegend(in: [source.path], customary: names)
        let images = try LabelledImages(in: [source.path])
        legend.declare(in: &records)
        let files = try FolderListing(objects).files(withExtensions: ["png"])
        for name in files { add(name, legend, colors, images, to: &records) }
        images.checkComplete(files.map(FolderListing.stem), in: &records)
    }

    private func add(
        _ name: String, _ legend: LabelLegend, _ colors: ColorLegend?, _ images: LabelledImages,
        to records: inout ImportedRecords
    ) {
        var labels: [LabelImage] = []
        var files: [Int32] = []
        for folder in [objects, classes] {
            let path = LabelFiles.join(folder, name)
            files.append(records.places.addFile(path))
            do throws(ImageError) {
                labels.append(
                    try ColorLegend.labels(path, as: folder == classes ? colors : nil))
            } catch {
                records.add(error, file: files.last ?? 0)
            }
        }
        guard labels.count == 2 else { return }
        let (objects, classes) = (labels[0], labels[1])
        guard objects.size == classes.size else {
            return records.error(
                ImportPlaces.Place(file: files[1], number: 0), field: "size",
                expected: "\(objects.size), as its objects have", found: "\(classes.size)")
        }
        let whole = ImportPlaces.Place(file: files[0], number: 0)
        let found = images.image(FolderListing.stem(of: name), source)
        guard let image = records.newImage(found, size: objects.size, at: whole) else { return }
        for (number, mask) in objects.masks() where number != Self.void || colors != nil {
            let place = ImportPlaces.Place(file: files[0], number: Int32(number))
            guard
                let category = category(
                    of: mask, at: place, classes, legend, file: files[1], &records)
            else { continue }
            records.add(
                ImportedRecords.Annotation(image: image, category: category, mask: mask), at: place)
        }
    }

    /// The class of most of an object's pixels; the first pixel of another one is a warning.
    private func category(
        of mask: RLE, at place: ImportPlaces.Place, _ classes: LabelImage, _ legend: LabelLegend,
        file: Int32, _ records: inout ImportedRecords
    ) -> Int32? {
        var counts: [UInt16: Int] = [:]
        mask.forEachRun { start, length in
            for pixel in start..<start + length { counts[classes.columns[pixel], default: 0] += 1 }
        }
        let candidates = counts.filter { $0.key != 0 && Int($0.key) != legend.void }
        let path = records.places.files[Int(file)]
        guard let most = candidates.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key else {
            records.error(
                place, field: classes.firstPixel(of: mask),
                expected: "a class in \(path)",
                found: counts.keys.contains(0) ? "the background" : "void")
            return nil
        }
        guard let category = legend.category(Int(most), in: &records) else {
            records.error(
                ImportPlaces.Place(file: file, number: 0), field: classes.firstPixel(of: mask),
                expected: legend.expectation, found: "\(most)")
            return nil
        }
        if counts.count > 1 {
            var odd: Int?
            mask.forEachRun { start, length in
                odd = odd ?? (start..<start + length).first { classes.columns[$0] != most }
            }
            let others = mask.area - (counts[most] ?? 0)
            records.warn(
                place, field: odd.map(classes.pixel), expected: "one class for all pixels",
                found: "\(others) of \(mask.area) with another than \(most), which counts")
        }
        return category
    }
}
