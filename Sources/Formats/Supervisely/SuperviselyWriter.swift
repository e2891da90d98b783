import Annotations
import Files
import Foundation
import Imaging

/// Supervisely: `meta.json` and `ds0/ann/NAME.json`, masks as bitmaps.
struct SuperviselyWriter: ImageWriter {
    let traits: FormatTraits = [.masks, .boxes]
    let keptKeys: Set<String>? = ["description", "tags"]
    let imagesFolder: String? = "ds0/img"
    private let file: AnnotationFile
    private let names: [String]
    /// Files that more than one image would have.
    private let shared: Set<String>

    init(_ file: AnnotationFile) {
        self.file = file
        names = CategoryNumbers(file).names
        var taken: Set<String> = []
        shared = Set(file.images.map(Self.imageName).filter { !taken.insert($0).inserted })
    }

    var tables: [String] { [SuperviselyReader.metaName] }

    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String] { [path(of: image, stem: stem)] }

    private func path(of image: ImageRecord, stem: String) -> String {
        let own = Self.imageName(image)
        let name = shared.contains(own) ? stem : own
        return "ds0/\(SuperviselyReader.folderName)/\(name).json"
    }

    private static func imageName(_ image: ImageRecord) -> String {
        image.fileName.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport
    ) throws {
        var text = TextBuffer()
        text.append("{\"description\": \"\", \"tags\": [], \"size\": {\"height\": ")
        text.append("\(image.size.height), \"width\": \(image.size.width)}, ")
        if case .integer(let id) = image.record.id { text.append("\"image_id\": \(id), ") }
        text.append("\"objects\": [")
        var separator = "\n"
        for instance in image.instances {
            let geometry: [UInt8]
            if let mask = instance.mask {
                guard mask.area > 0, let bitmap = try Self.bitmap(mask) else {
                    report.add(.emptyMask)
                    continue
                }
                geometry = bitmap
            } else {
                report.add(.boxOnly)
                let box = instance.record.box
                var rectangle = TextBuffer()
                rectangle.append("\"geometryType\": \"rectangle\", \"points\": {\"exterior\": [")
                rectangle.append(list: [box.minX, box.minY])
                rectangle.append(", ")
                rectangle.append(list: [box.maxX, box.maxY])
                rectangle.append("], \"interior\": []}")
                geometry = rectangle.bytes
            }
            let members = RecordDetails(instance.record, in: file)
            text.append(separator)
            separator = ",\n"
            text.append("{")
            if case .integer(let id) = instance.record.id { text.append("\"id\": \(id), ") }
            text.append("\"classId\": \((instance.category ?? 0) + 1), \"classTitle\": ")
            text.append(json: names[instance.category ?? 0])
            text.append(", \"description\": ")
            text.append(json: members["description"]?.text ?? "")
            text.append(", \"tags\": ")
            let tags = members["tags"].flatMap { $0.isArray ? $0.json : nil }
            text.bytes += tags ?? Array("[]".utf8)
            text.append(", ")
            text.bytes += geometry
            text.append("}")
            report.writtenCount += 1
        }
        text.append("]}\n")
        try folder.write(text.bytes, to: path(of: image.record, stem: image.stem))
    }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {
        var text = TextBuffer()
        text.append("{\"classes\": [")
        for (place, name) in names.enumerated() {
            let color = CategoryLegend.color(place + 1)
            let code = [color.red, color.green, color.blue].map {
                String($0 + 256, radix: 16).dropFirst()
            }
            text.append(place > 0 ? ",\n{\"title\": " : "\n{\"title\": ")
            text.append(json: name)
            text.append(", \"shape\": \"any\", \"color\": \"#\(code.joined().uppercased())\", ")
            text.append("\"geometry_config\": {}, \"id\": \(place + 1), \"hotkey\": \"\"}")
        }
        text.append("], \"tags\": [], \"projectType\": \"images\"}\n")
        try folder.write(text.bytes, to: SuperviselyReader.metaName)
    }

    /// Nil if there is not enough memory.
    private static func bitmap(_ mask: RLE) throws -> [UInt8]? {
        let box = mask.boundingBox
        let window = CropWindow(
            minX: Int(box.minX), minY: Int(box.minY), maxX: Int(box.maxX), maxY: Int(box.maxY))
        let file = try ImageCodec.encodePNG(
            labels: .bits(mask.pixels(in: window)), size: window.size)
        guard let data = Deflate.pack(file) else { return nil }
        var text = TextBuffer()
        text.append("\"geometryType\": \"bitmap\", \"bitmap\": {\"origin\": ")
        text.append("[\(window.minX), \(window.minY)], \"data\": \"")
        text.append(Data(data).base64EncodedString())
        text.append("\"}")
        return text.bytes
    }
}
