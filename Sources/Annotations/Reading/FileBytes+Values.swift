package import CJSON

// What a value of a checked document stands for.
extension FileBytes {
    /// An id: whole numbers that some tools write as 17.0 are numbers too.
    package func recordID(_ value: cj_value) -> RecordID? {
        switch UInt32(value.kind) {
        case CJ_NUMBER.rawValue:
            if value.is_integer != 0 { return .integer(value.integer) }
            let digits = text(value.range)
            if digits.utf8.dropFirst().allSatisfy({ (0x30...0x39).contains($0) }) {
                return .large(digits)
            }
            guard abs(value.numbers.0) <= 0x1p53 else { return nil }
            return Int64(exactly: value.numbers.0).map(RecordID.integer)
        case CJ_STRING.rawValue: return string(value).map(RecordID.text)
        default: return nil
        }
    }

    /// The text of a string value.
    package func string(_ value: cj_value) -> String? {
        guard value.kind == UInt8(CJ_STRING.rawValue) else { return nil }
        return withBytes { JSONScanner($0, value.range).text(value.range) }
    }

    /// The start of a value as the file spells it, on one line.
    package func snippet(_ value: cj_value) -> String {
        value.kind == UInt8(CJ_MISSING.rawValue) ? "nothing" : snippet(value.range)
    }

    package func snippet(_ range: Range<Int>) -> String {
        let text = text(range.lowerBound..<min(range.upperBound, range.lowerBound + 48))
            .unicodeScalars.map { $0.properties.generalCategory == .control ? " " : String($0) }
            .joined()
        return range.count > 48 ? text + "…" : text
    }
}
