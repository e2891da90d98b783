import Annotations
import Files
import Imaging

/// Pascal VOC's `SegmentationClass/NAME.png` and `SegmentationObject/NAME.png`: 8 bits with VOC's
/// palette, 0 for the background, 255 for void, instances numbered within the image.
struct VOCMaskWriter: ImageWriter {
    let traits: FormatTraits = .masks
    let imagesFolder: String? = "JPEGImages"
    private let options: ExportOptions
    private let legend: CategoryLegend
    private var stems = TextBuffer()
    private static let listName = "ImageSets/Segmentation/trainval.txt"
    private var images = TextBuffer()

    init(_ file: AnnotationFile, options: ExportOptions) {
        self.options = options
        legend = CategoryLegend(
            file, numbers: CategoryNumbers.numbers(of: file, upTo: 254), void: 255)
        images.append(LabelledImages.header)
    }

    var tables: [String] { [CategoryLegend.fileName, LabelledImages.fileName, Self.listName] }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { ["SegmentationClass/\(stem).png", "SegmentationObject/\(stem).png"] }

    mutating func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        var image = image
        let countable = image.instances.filter { legend.numbers[$0.category ?? 0] != nil }.prefix(
            254)
        report.add(.uncountable, image.instances.count - countable.count)
        image.instances = Array(countable)
        var map = try image.labelMap(options, report: &report) { _ in true }
        let classes = image.instances.map { UInt8(legend.numbers[$0.category ?? 0] ?? 0) }
        map.drawBorder(options.voidBorder, as: UInt16(classes.count + 1))
        let objects = classes.indices.map { UInt8($0 + 1) }
        for (name, numbers) in [("Class", classes), ("Object", objects)] {
            let file = try ImageCodec.encodePNG(
                labels: .bytes(map.rows([0] + numbers + [255])), size: image.size,
                palette: CategoryLegend.palette)
            try folder.write(file, to: "Segmentation\(name)/\(image.stem).png")
        }
        stems.append(image.stem + "\n")
        images.append(LabelledImages.row(image))
    }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        try legend.write(into: &folder)
        try folder.write(images.bytes, to: LabelledImages.fileName)
        // What readers of VOC go by.
        try folder.write(stems.bytes, to: Self.listName)
    }
}
