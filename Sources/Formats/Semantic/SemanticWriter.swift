import Annotations
import Files
import Imaging

/// A PNG an image whose pixels are the numbers of categories, 0 for the background, and
/// `categories.csv`. 8 bits with VOC's palette, or 16 bits grey where there are over 254 categories.
struct SemanticWriter: ImageWriter {
    let traits: FormatTraits = .masks
    private let options: ExportOptions
    private let legend: CategoryLegend
    private let isWide: Bool
    private var images = TextBuffer()

    init(_ file: AnnotationFile, options: ExportOptions) {
        self.options = options
        isWide = file.categories.count > 254
        legend = CategoryLegend(
            file,
            numbers: CategoryNumbers.numbers(of: file, upTo: isWide ? 65_534 : 254),
            void: options.voidBorder > 0 ? (isWide ? 65_535 : 255) : nil)
        images.append(LabelledImages.header)
    }

    var tables: [String] { [CategoryLegend.fileName, LabelledImages.fileName] }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { ["\(stem).png"] }

    mutating func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        var image = image
        let countable = image.instances.filter { legend.numbers[$0.category ?? 0] != nil }
        report.add(.uncountable, image.instances.count - countable.count)
        image.instances = countable
        let numbers = image.instances.map { legend.numbers[$0.category ?? 0] ?? 0 }
        var map = try image.labelMap(
            options, report: &report, category: { $0 < 0 ? 0 : numbers[$0] }, where: { _ in true })
        map.mergeEqual(numbers)
        map.drawBorder(options.voidBorder, as: UInt16(numbers.count + 1))
        let file: [UInt8]
        if isWide {
            let rows = map.rows([0] + numbers.map { UInt16($0) } + [65_535])
            file = try ImageCodec.encodePNG(labels: .words(rows), size: image.size)
        } else {
            let rows = map.rows([0] + numbers.map { UInt8($0) } + [255])
            file = try ImageCodec.encodePNG(
                labels: .bytes(rows), size: image.size, palette: CategoryLegend.palette)
        }
        try folder.write(file, to: image.stem + ".png")
        images.append(LabelledImages.row(image))
    }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        try legend.write(into: &folder)
        try folder.write(images.bytes, to: LabelledImages.fileName)
    }
}
