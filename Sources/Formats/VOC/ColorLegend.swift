import Annotations
import Files
import Imaging

/// Which category each colour of CVAT's and datumaro's masks stands for, as `labelmap.txt` says:
/// `name:red,green,blue:parts:actions`, a line a category.
struct ColorLegend {
    private let numbers: [UInt32: UInt16]
    let legend: LabelLegend

    static let fileName = "labelmap.txt"
    private static let byteLimit = 1 << 24
    private static let lineLimit = 65_000

    /// - Returns: nil if the folder has no such file.
    /// - Throws: ``AnnotationError/problem(_:)`` that names the line.
    init?(in folder: String) throws {
        let path = LabelFiles.join(folder, Self.fileName)
        guard FolderListing.isFile(path) else { return nil }
        let text = try FileBytes.text(path: path, kind: "table", limit: Self.byteLimit)
        var numbers: [UInt32: UInt16] = [:]
        var categories: [(number: Int, name: String, id: RecordID?)] = []
        var names: Set<String> = []
        var problem: Problem?
        var place = 0
        TextFields.lines(text) { line, bytes in
            guard problem == nil, !bytes.isEmpty else { return }
            func fail(_ expected: String) {
                problem = Problem(
                    .error, file: "\(path) line \(line)", .file, expected: expected,
                    found: TextFields.shown(bytes))
            }
            // Names may have colons.
            let fields = bytes.split(
                separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            var field = fields.lastIndex { Self.color($0) != nil } ?? 0
            // Datumaro leaves all colours out where they are VOC's, in the order of lines.
            if field == 0, fields.count >= 4, fields[fields.count - 3].isEmpty {
                field = fields.count - 3
            }
            let label = bytes[..<fields[field].startIndex].dropLast()
            let own = Self.color(fields[field])
            guard field > 0, !label.isEmpty, own != nil || fields[field].isEmpty,
                let name = String(validating: Array(label), as: UTF8.self)
            else {
                if bytes.first != UInt8(ascii: "#") { fail("name:red,green,blue:parts:actions") }
                return
            }
            let color = own ?? CategoryLegend.packedColor(place)
            place += 1
            guard numbers[color] == nil else { return fail("a colour of its own") }
            guard names.insert(name).inserted else { return fail("a name of its own") }
            if color == 0 || name == "background" {
                numbers[color] = 0
                return
            }
            guard categories.count < Self.lineLimit else {
                return fail("at most \(Self.lineLimit) categories")
            }
            let number = categories.count + 1
            numbers[color] = UInt16(number)
            categories.append((number, name, .integer(Int64(number))))
        }
        if let problem { throw AnnotationError.problem(problem) }
        self.numbers = numbers
        legend = LabelLegend(categories, path: path)
    }

    private static func color(_ field: ArraySlice<UInt8>) -> UInt32? {
        let values = field.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            .map { UInt8(String(decoding: $0.filter { $0 > 0x20 }, as: UTF8.self)) }
        guard values.count == 3 else { return nil }
        return values.reduce(UInt32?.some(0)) { color, value in
            color.flatMap { color in value.map { color << 8 | UInt32($0) } }
        }
    }

    /// The numbers of a label image. Colours are those of the legend, else VOC's.
    static func labels(
        _ path: String, as colors: ColorLegend?
    ) throws(ImageError) -> LabelImage {
        if let colors {
            let image = try ColorImage(path: path)
            return try image.numbered { color throws(ImageError) in
                if color == 0 { return 0 }
                guard let number = colors.numbers[color] else {
                    throw .damaged(
                        file: path, format: .png,
                        reason: "\(image.firstPixel(of: color)) has the colour "
                            + "\(ColorImage.text(color)), which \(fileName) does not have")
                }
                return number
            }
        }
        do throws(ImageError) {
            return try LabelImage(path: path)
        } catch {
            guard case .unsupported = error else { throw error }
        }
        let image = try ColorImage(path: path)
        return try image.numbered { color throws(ImageError) in
            guard let number = UInt16(exactly: CategoryLegend.number(ofColor: color)) else {
                throw .damaged(
                    file: path, format: .png,
                    reason: "\(image.firstPixel(of: color)) has the colour "
                        + "\(ColorImage.text(color)), which is none of VOC's (a \(fileName) can "
                        + "say what colours mean)")
            }
            return number
        }
    }

    /// The legend of what is written in VOC's colours.
    static func text(_ names: [String], _ numbers: [Int?]) -> [UInt8] {
        var text = TextBuffer()
        text.append("# label:color_rgb:parts:actions\nbackground:0,0,0::\n")
        for (name, number) in zip(names, numbers) {
            guard let number else { continue }
            let color = CategoryLegend.color(number)
            let name = name == "background" ? "background 2" : name.filter { !$0.isNewline }
            text.append("\(name):\(color.red),\(color.green),\(color.blue)::\n")
        }
        return text.bytes
    }
}
