import Annotations
import Files
import Imaging

/// KITTI MOTS: per frame an image of 16 bits in `instances/SEQUENCE/FRAME.png`, or per sequence a
/// text `instances_txt/SEQUENCE.txt` with the line `frame id class height width RLE` an instance. An
/// id is 1000 × class + instance; 10000 are regions to ignore, which crowds become.
struct MOTSWriter: ImageWriter {
    let traits: FormatTraits = [.masks, .crowds]
    private let isText: Bool
    private let options: ExportOptions
    private let legend: CategoryLegend
    private let frames: MOTSFrames
    private var images = TextBuffer()
    private var lines = TextBuffer()
    private var sequence = ""

    private static let ignored = 10

    init(_ file: AnnotationFile, isText: Bool, options: ExportOptions) {
        self.isText = isText
        self.options = options
        var used: Set<Int> = []
        for annotation in file.annotations where annotation.segmentationRange != nil {
            if let category = annotation.categoryIndex { used.insert(category) }
        }
        // 16 bits end at 65535, so the last class has 536 instances.
        legend = CategoryLegend(
            file,
            numbers: CategoryNumbers.numbers(
                of: file, upTo: isText ? 1_000_000 : 65, reserved: [Self.ignored],
                isUsed: used.contains))
        frames = MOTSFrames(file)
        images.append("sequence,frame,image,width,height\n")
    }

    var tables: [String] { [CategoryLegend.fileName, LabelledImages.fileName] }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { [name(of: image)] }

    mutating func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        let ids = ids(of: image, &report)
        let map = try image.labelMap(options, report: &report) { ids[$0] != nil }
        let (name, frame) = frames[image.record.index]
        images.append("\(CSVText.field(name)),\(frame),\(CSVText.field(image.record.fileName)),")
        images.append("\(image.size.width),\(image.size.height)\n")
        if isText {
            try write(map, ids, sequence: name, frame: frame, into: &folder)
        } else {
            let numbers = [0] + ids.map { UInt16($0 ?? 0) }
            try folder.write(
                try ImageCodec.encodePNG(labels: .words(map.rows(numbers)), size: image.size),
                to: self.name(of: image.record))
        }
    }

    mutating func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        try flush(into: &folder)
        try legend.write(into: &folder)
        try folder.write(images.bytes, to: LabelledImages.fileName)
    }

    private func name(of image: ImageRecord) -> String {
        let (sequence, frame) = frames[image.index]
        if isText { return "instances_txt/\(sequence).txt" }
        let digits = "\(frame)"
        let padded = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
        return "instances/\(sequence)/\(padded).png"
    }

    /// The id of each instance; nil where the format has none for it.
    private func ids(of image: ExportImage, _ report: inout ExportReport) -> [Int?] {
        var taken: Set<Int> = []
        for instance in image.instances {
            guard let track = instance.track, (0..<1000).contains(track),
                let number = legend.numbers[instance.category ?? 0]
            else { continue }
            taken.insert(1000 * number + track)
        }
        var tracked: Set<Int> = []
        var next: [Int: Int] = [:]
        return image.instances.map { instance in
            if instance.record.isCrowd {
                report.add(.ignored)
                return 1000 * Self.ignored
            }
            guard let number = legend.numbers[instance.category ?? 0] else {
                report.add(.uncountable)
                return nil
            }
            let first = 1000 * number
            if let track = instance.track, (0..<1000).contains(track),
                isText || first + track < 65_536, tracked.insert(first + track).inserted
            {
                return first + track
            }
            var index = next[number] ?? 0
            while taken.contains(first + index) { index += 1 }
            next[number] = index + 1
            guard index < 1000, isText || first + index < 65_536 else {
                report.add(.uncountable)
                return nil
            }
            return first + index
        }
    }

    private mutating func write(
        _ map: LabelMap, _ ids: [Int?], sequence name: String, frame: Int,
        into folder: inout OutputFolder
    ) throws {
        if name != sequence || lines.bytes.count > 1 << 20 { try flush(into: &folder) }
        sequence = name
        // Masks of one id, the regions to ignore, are one line.
        var masks: [Int: RLE] = [:]
        var order: [Int] = []
        for (place, mask) in map.visibleMasks().enumerated() {
            guard let mask, let id = ids[place] else { continue }
            if let other = masks[id] {
                masks[id] = RLE.union([other, mask]) ?? mask
            } else {
                masks[id] = mask
                order.append(id)
            }
        }
        for id in order {
            guard let mask = masks[id] else { continue }
            lines.append("\(frame) \(id) \(id / 1000) \(map.size.height) \(map.size.width) ")
            lines.bytes += mask.compressed
            lines.append("\n")
        }
        if order.isEmpty { try folder.append([], to: "instances_txt/\(name).txt") }
    }

    private mutating func flush(into folder: inout OutputFolder) throws {
        guard !lines.bytes.isEmpty else { return }
        try folder.append(lines.bytes, to: "instances_txt/\(sequence).txt")
        lines.bytes.removeAll(keepingCapacity: true)
    }
}

/// Which sequence an image belongs to, and its place there: a folder is a sequence.
private struct MOTSFrames {
    private var places: [(sequence: String, frame: Int)] = []

    init(_ file: AnnotationFile) {
        var sequences: [String: (name: String, images: [Int])] = [:]
        var names: Set<String> = []
        for image in file.images {
            let folder = image.fileName.split(separator: "/").filter { $0 != "." }.dropLast()
            let key = folder.joined(separator: "/")
            if sequences[key] == nil {
                var name = key.isEmpty ? "0000" : folder.joined(separator: "_")
                while !names.insert(name).inserted { name += "_" }
                sequences[key] = (name, [])
            }
            sequences[key]?.images.append(image.index)
        }
        places = [(String, Int)](repeating: ("", 0), count: file.images.count)
        for (name, images) in sequences.values {
            // Frame numbers are those of the files where they all have one.
            let numbers = images.compactMap { image in
                let last = file.images[image].fileName.split(separator: "/").last ?? ""
                let stem = ImageStems.withoutExtension(String(last))
                return stem.utf8.count <= 18 ? Int(stem).flatMap { $0 >= 0 ? $0 : nil } : nil
            }
            let areNumbered = numbers.count == images.count && Set(numbers).count == images.count
            for (place, image) in images.enumerated() {
                places[image] = (name, areNumbered ? numbers[place] : place)
            }
        }
    }

    subscript(image: Int) -> (sequence: String, frame: Int) { places[image] }
}
