import Annotations
import Files
import Imaging

/// Label images whose pixels are categories: a record for each category of an image, which has the
/// category's pixels as its mask.
struct SemanticReader {
    private let source: AnnotationSource

    init(_ source: AnnotationSource) {
        self.source = source
    }

    func read(into records: inout ImportedRecords) throws {
        records.places.unit = "label"
        let files = try LabelFiles(of: source, withExtension: "png")
        let folders = [files.folder, LabelFiles.join(files.folder, "..")]
        let legend = try LabelLegend(in: folders)
        let images = try LabelledImages(in: [files.folder])
        legend.declare(in: &records)
        for name in files.names { add(files.path(name), name, legend, images, to: &records) }
        if FolderListing.isFolder(source.path) {
            images.checkComplete(files.names.map(FolderListing.stem), in: &records)
        }
    }

    private func add(
        _ path: String, _ name: String, _ legend: LabelLegend, _ images: LabelledImages,
        to records: inout ImportedRecords
    ) {
        let file = records.places.addFile(path)
        let labels: LabelImage
        do {
            labels = try LabelImage(path: path)
        } catch {
            return records.add(error, file: file)
        }
        let whole = ImportPlaces.Place(file: file, number: 0)
        let found = images.image(FolderListing.stem(of: name), source)
        guard let image = records.newImage(found, size: labels.size, at: whole) else { return }
        for (number, mask) in labels.masks() where number != legend.void {
            guard let category = legend.category(number, in: &records) else {
                records.error(
                    whole, field: labels.firstPixel(of: mask), expected: legend.expectation,
                    found: "\(number)")
                continue
            }
            records.add(
                ImportedRecords.Annotation(image: image, category: category, mask: mask),
                at: ImportPlaces.Place(file: file, number: Int32(number)))
        }
    }
}
