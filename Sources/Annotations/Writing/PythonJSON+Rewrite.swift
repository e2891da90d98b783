import Files

extension PythonJSON {
    /// Writes a JSON value as Python would after reading it: numbers and strings in Python's
    /// spelling, and of a key that occurs twice the last value at the first place.
    ///
    /// - Parameter flush: called between the elements of outer arrays with what is ready; empties
    ///   the buffer.
    static func rewrite(
        _ scanner: inout JSONScanner, into output: inout [UInt8],
        flush: ((inout [UInt8]) throws -> Void)? = nil
    ) throws {
        switch scanner.peek() {
        case UInt8(ascii: "{"): try object(&scanner, into: &output)
        case UInt8(ascii: "["):
            _ = scanner.take("[")
            output.append(UInt8(ascii: "["))
            var isFirst = true
            while scanner.peek() != UInt8(ascii: "]"), scanner.position < scanner.end {
                if !isFirst { output += [UInt8(ascii: ","), 0x20] }
                isFirst = false
                try rewrite(&scanner, into: &output, flush: flush)
                _ = scanner.take(",")
                try flush?(&output)
            }
            _ = scanner.take("]")
            output.append(UInt8(ascii: "]"))
        case UInt8(ascii: "\""):
            let range = scanner.string()
            string(scanner, range, into: &output)
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
            output += scanner.bytes[scanner.scalar()]
        default: number(&scanner, into: &output)
        }
    }

    package static func string(
        _ scanner: JSONScanner, _ range: Range<Int>, into output: inout [UInt8]
    ) {
        let inside = scanner.bytes[range.dropFirst().dropLast()]
        if inside.allSatisfy({ $0 < 0x80 && $0 != UInt8(ascii: "\\") }) {
            output += scanner.bytes[range]
            return
        }
        output.append(UInt8(ascii: "\""))
        JSONScanner.decode(inside) { append($0, to: &output) }
        output.append(UInt8(ascii: "\""))
    }

    private static func number(_ scanner: inout JSONScanner, into output: inout [UInt8]) {
        let range = scanner.scalar()
        let text = scanner.bytes[range]
        let isFloat = text.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
        if isFloat, let value = scanner.number(range) {
            output += Array(number(value).utf8)
        } else if text.elementsEqual("-0".utf8) {
            output.append(UInt8(ascii: "0"))
        } else {
            output += text
        }
    }

    private static func object(
        _ scanner: inout JSONScanner, into output: inout [UInt8]
    ) throws {
        let text = scanner
        var members: [(key: [UInt8], value: Range<Int>)] = []
        var places: [[UInt8]: Int] = [:]
        scanner.members { range, value in
            var key: [UInt8] = []
            string(text, range, into: &key)
            if let place = places[key] {
                members[place].value = value
            } else {
                places[key] = members.count
                members.append((key, value))
            }
        }
        _ = scanner.take("}")
        output.append(UInt8(ascii: "{"))
        for (index, member) in members.enumerated() {
            if index > 0 { output += [UInt8(ascii: ","), 0x20] }
            output += member.key
            output += [UInt8(ascii: ":"), 0x20]
            var value = JSONScanner(text.bytes, member.value)
            try rewrite(&value, into: &output)
        }
        output.append(UInt8(ascii: "}"))
    }
}
