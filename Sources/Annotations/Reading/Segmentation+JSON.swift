import Imaging

extension Segmentation {
    /// Reads a list of polygons, an uncompressed RLE (a list of counts) or a compressed one (a
    /// string).
    ///
    /// Polygons of one or two corners, a click too many in some tool, have no pixel and are left out.
    package init(_ scanner: JSONScanner) throws {
        var scanner = scanner
        switch scanner.peek() {
        case UInt8(ascii: "n"): self = .none
        case UInt8(ascii: "["):
            let polygons = try Self.polygons(&scanner)
            self = polygons.isEmpty ? .none : .polygons(polygons)
        case UInt8(ascii: "{"): self = .rle(try Self.rle(&scanner))
        default:
            throw AnnotationError.segmentation(
                "value is neither a list of polygons nor an RLE object")
        }
    }

    private static func polygons(_ scanner: inout JSONScanner) throws -> [[Double]] {
        var polygons: [[Double]] = []
        _ = scanner.take("[")
        while !scanner.take("]") {
            guard scanner.peek() == UInt8(ascii: "[") else {
                throw AnnotationError.segmentation(
                    "polygon \(polygons.count) is not a list of numbers")
            }
            guard let numbers = numbers(&scanner) else {
                throw AnnotationError.segmentation(
                    "polygon \(polygons.count) holds something that is no number")
            }
            guard numbers.count >= 2, numbers.count.isMultiple(of: 2) else {
                throw AnnotationError.segmentation(
                    "polygon \(polygons.count) has \(numbers.count) numbers, not an even count from 6"
                )
            }
            if numbers.count >= 6 { polygons.append(numbers) }
            _ = scanner.take(",")
        }
        return polygons
    }

    /// A list of numbers; nil if anything else is in it.
    private static func numbers(_ scanner: inout JSONScanner) -> [Double]? {
        guard scanner.take("[") else { return nil }
        var numbers: [Double] = []
        while !scanner.take("]") {
            let first = scanner.peek()
            guard first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
                let number = scanner.number(scanner.scalar())
            else { return nil }
            numbers.append(number)
            _ = scanner.take(",")
        }
        return numbers
    }

    private static func rle(_ scanner: inout JSONScanner) throws -> RLE {
        var sizeRange: Range<Int>?
        var countsRange: Range<Int>?
        let outer = scanner
        scanner.members { key, value in
            switch outer.text(key) {
            case "size": sizeRange = value
            case "counts": countsRange = value
            default: break
            }
        }
        guard let sizeRange, let countsRange else {
            throw AnnotationError.segmentation(
                "object lacks \(sizeRange == nil ? "size" : "counts")")
        }
        var inner = JSONScanner(outer.bytes, sizeRange)
        guard let sides = numbers(&inner), sides.count == 2,
            let height = Int(exactly: sides[0]), let width = Int(exactly: sides[1])
        else { throw AnnotationError.segmentation("size is not [height, width] in whole pixels") }
        let size = Size(height: height, width: width)
        inner = JSONScanner(outer.bytes, countsRange)
        if inner.peek() == UInt8(ascii: "\"") {
            let text = outer.bytes[countsRange.dropFirst().dropLast()]
            guard text.contains(UInt8(ascii: "\\")) else {
                return try RLE(size: size, compressed: text)
            }
            var units: [UInt16] = []
            JSONScanner.decode(text) { units.append($0) }
            return try RLE(size: size, compressed: units.map { $0 < 256 ? UInt8($0) : 255 })
        }
        guard let lengths = numbers(&inner) else {
            throw AnnotationError.segmentation("counts are neither a string nor a list of numbers")
        }
        var counts: [UInt32] = []
        counts.reserveCapacity(lengths.count)
        for length in lengths {
            guard let count = UInt32(exactly: length) else {
                throw AnnotationError.segmentation(
                    "run \(counts.count) is \(length), outside 0…\(UInt32.max)")
            }
            counts.append(count)
        }
        return try RLE(size: size, counts: counts)
    }
}
