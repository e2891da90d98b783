import CJSON

/// Reads what the columns of a row hold.
struct JSONValues {
    let content: UnsafeBufferPointer<UInt8>

    /// Whole numbers that some tools write as 17.0 are numbers too.
    func recordID(_ value: cj_value) -> RecordID? {
        switch UInt32(value.kind) {
        case CJ_NUMBER.rawValue:
            if value.is_integer != 0 { return .integer(value.integer) }
            let digits = content[Int(value.begin)..<Int(value.end)]
            if digits.dropFirst().allSatisfy({ (0x30...0x39).contains($0) }) {
                return .large(String(decoding: digits, as: UTF8.self))
            }
            guard abs(value.numbers.0) <= 0x1p53 else { return nil }
            return Int64(exactly: value.numbers.0).map(RecordID.integer)
        case CJ_STRING.rawValue: return text(value).map(RecordID.text)
        default: return nil
        }
    }

    func text(_ value: cj_value) -> String? {
        guard value.kind == CJ_STRING.rawValue else { return nil }
        let range = Int(value.begin)..<Int(value.end)
        return JSONScanner(content, range).text(range)
    }

    func snippet(_ value: cj_value) -> String {
        value.kind == CJ_MISSING.rawValue ? "nothing" : snippet(Int(value.begin)..<Int(value.end))
    }

    /// The start of a value as the file spells it, on one line.
    func snippet(_ range: Range<Int>) -> String {
        let kept = content[range].prefix(48)
        let text = String(decoding: kept, as: UTF8.self)
            .unicodeScalars.map { $0.properties.generalCategory == .control ? " " : String($0) }
            .joined()
        return kept.count < range.count ? text + "…" : text
    }
}

extension cj_value {
    var isPresent: Bool { kind != CJ_MISSING.rawValue && kind != CJ_NULL.rawValue }

    /// The numbers of x, y, width and height, if that is what the value is and their sums are
    /// finite.
    var box: (x: Double, y: Double, width: Double, height: Double)? {
        guard has_numbers != 0, (numbers.0 + numbers.2).isFinite, (numbers.1 + numbers.3).isFinite
        else { return nil }
        return numbers
    }
}

extension ByteRange {
    init(_ value: cj_value) {
        self.init(begin: value.begin, end: value.end)
    }
}
