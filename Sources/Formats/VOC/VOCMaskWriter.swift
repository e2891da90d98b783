import Annotations
import Files
import Imaging

/// Pascal VOC's `SegmentationClass/NAME.png` and `SegmentationObject/NAME.png`: 8 bits with VOC's
/// palette, 0 for the background, 255 for void, instances numbered within the image.
struct VOCMaskWriter: ImageWriter {
    let traits: FormatTraits = .masks
    let imagesFolder: String? = "JPEGImages"
    private let options: ExportOptions
    /// Whether pixels are colours, as CVAT has them, rather than numbers.
    private let isColored: Bool
    private let labelMap: [UInt8]
    private let legend: CategoryLegend
    private var stems = TextBuffer()
    private static let listName = "ImageSets/Segmentation/trainval.txt"
    private var images = TextBuffer()

    init(_ file: AnnotationFile, isColored: Bool = false, options: ExportOptions) {
        self.options = options
        self.isColored = isColored
        let numbers = CategoryNumbers.numbers(of: file, upTo: 254)
        legend = CategoryLegend(file, numbers: numbers, void: 255)
        labelMap = ColorLegend.text(CategoryNumbers(file).names, numbers)
        images.append(LabelledImages.header)
    }

    var tables: [String] {
        [
            isColored ? ColorLegend.fileName : CategoryLegend.fileName, LabelledImages.fileName,
            Self.listName,
        ]
    }

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
            let numbers = [0] + numbers + [255]
            let file =
                isColored
                ? try ImageCodec.encodePNG(
                    labels: LabelMap.image(
                        numbers: map.rows(numbers.map(Self.color)), image.size))
                : try ImageCodec.encodePNG(
                    labels: .bytes(map.rows(numbers)), size: image.size,
                    palette: CategoryLegend.palette)
            try folder.write(file, to: "Segmentation\(name)/\(image.stem).png")
        }
        stems.append(image.stem + "\n")
        images.append(LabelledImages.row(image))
    }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        if isColored {
            try folder.write(labelMap, to: ColorLegend.fileName)
        } else {
            try legend.write(into: &folder)
        }
        try folder.write(images.bytes, to: LabelledImages.fileName)
        // What readers of VOC go by.
        try folder.write(stems.bytes, to: Self.listName)
    }

    private static func color(_ number: UInt8) -> UInt32 {
        let color = CategoryLegend.color(Int(number))
        return UInt32(color.red | color.green << 8 | color.blue << 16)
    }
}
