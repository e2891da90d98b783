import Annotations
import Imaging

/// A line of KITTI MOTS text.
struct MOTSLine {
    struct Fault: Error {
        let field: String?
        let expected: String
        let found: String
    }

    let frame: Int
    let id: Int
    let kind: Int
    let mask: RLE

    private static let fields = ["frame", "id", "class", "height", "width"]

    init(_ line: ArraySlice<UInt8>) throws(Fault) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 6)
        guard parts.count == 6 else {
            throw Fault(
                field: nil, expected: "6 fields (frame, id, class, height, width, run lengths)",
                found: parts.count > 6 ? "more" : "\(parts.count)")
        }
        var numbers: [Int] = []
        for (name, field) in zip(Self.fields, parts) {
            numbers.append(try Self.number(field, name))
        }
        (frame, id, kind) = (numbers[0], numbers[1], numbers[2])
        do {
            mask = try RLE(
                size: Size(height: numbers[3], width: numbers[4]), compressed: parts[5])
        } catch {
            throw Fault(
                field: "run lengths", expected: "a mask as pycocotools writes it",
                found: "one whose \(error)")
        }
    }

    /// Whether the fields of a line, perhaps cut off in the last, can be those of this format.
    static func canBegin(_ fields: [ArraySlice<UInt8>]) -> Bool {
        let numbers = fields.prefix(5).compactMap { try? number($0, "") }
        return fields.count == 6 && numbers.count == 5 && numbers[1] >= 1000
    }

    private static func number(_ field: ArraySlice<UInt8>, _ name: String) throws(Fault) -> Int {
        guard !field.isEmpty, field.count <= 9, field.allSatisfy({ (0x30...0x39).contains($0) })
        else {
            throw Fault(
                field: name, expected: "a whole number of at most 9 digits",
                found: TextFields.shown(field))
        }
        return field.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}
