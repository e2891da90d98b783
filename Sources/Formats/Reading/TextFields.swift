import CJSON
import Files

/// The fields of text files, as bytes: nothing is copied until it is wanted.
enum TextFields {
    /// More are refused: a polygon of half a million corners fits.
    static let fieldLimit = 1 << 20

    /// Calls `body` with each line and its number, from 1. Lines end with `\n` or `\r\n`.
    static func lines(_ text: [UInt8], _ body: (Int, ArraySlice<UInt8>) -> Void) {
        var start = 0
        var number = 1
        while start < text.count {
            let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
            var line = text[start..<end]
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            body(number, line)
            start = end + 1
            number += 1
        }
    }

    /// What stands between spaces and tabs; one more than ``fieldLimit`` at most.
    static func fields(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        line.split(
            maxSplits: fieldLimit, omittingEmptySubsequences: true,
            whereSeparator: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") })
    }

    /// A finite decimal number; nil for anything else, such as `nan`.
    static func number(_ field: some Collection<UInt8>) -> Double? {
        let digits = Array(field)
        guard !digits.isEmpty, digits.count <= 400 else { return nil }
        var value = 0.0
        if digits.withUnsafeBufferPointer({ cj_double($0.baseAddress, $0.count, &value) }) != 0 {
            return value.isFinite ? value : nil
        }
        // What JSON has no spelling for: +1, .5 and 1.
        let isDecimal = digits.allSatisfy {
            (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0)
        }
        guard isDecimal, let number = Double(String(decoding: digits, as: UTF8.self)),
            number.isFinite
        else { return nil }
        return number
    }

    /// A number as people write it: 3, not 3.0.
    static func plain(_ number: Double) -> String {
        Int(exactly: number).map { "\($0)" } ?? "\(number)"
    }

    /// The start of a field for a message.
    static func shown(_ field: some Collection<UInt8>) -> String {
        String(decoding: field.prefix(240), as: UTF8.self).quoted
    }
}
