import CJSON

/// Walks over JSON that was checked before: it finds where values begin and end, and never runs
/// past its bytes.
package struct JSONScanner {
    package let bytes: UnsafeBufferPointer<UInt8>
    package var position: Int
    package let end: Int

    package init(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = min(range.upperBound, bytes.count)
    }

    /// The next byte that is no white space; 0 at the end.
    package mutating func peek() -> UInt8 {
        while position < end {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
            position += 1
        }
        return 0
    }

    /// Moves past `byte` if it comes next.
    package mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: byte), position < end else { return false }
        position += 1
        return true
    }

    /// Moves past the next string; its range includes the quotes.
    package mutating func string() -> Range<Int> {
        let start = position
        position = min(position + 1, end)
        while position < end {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") { position = min(position + 1, end) }
        }
        return start..<position
    }

    /// Moves past the next number or word.
    package mutating func scalar() -> Range<Int> {
        let start = position
        while position < end {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09, UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"),
                UInt8(ascii: ":"):
                return start..<position
            default: position += 1
            }
        }
        return start..<position
    }

    /// Moves past the next value of any kind.
    package mutating func value() -> Range<Int> {
        let first = peek()
        let start = position
        switch first {
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: "["), UInt8(ascii: "{"): break
        // Never found where a value is expected: past it, so that every call makes headway.
        case UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: ","), UInt8(ascii: ":"):
            position += 1
            return start..<position
        default:
            let range = scalar()
            precondition(!range.isEmpty || first == 0, "a JSON value has at least a byte")
            return range
        }
        // Only brackets and strings matter within it.
        var depth = 0
        while position < end {
            switch bytes[position] {
            case UInt8(ascii: "\""): _ = string()
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                position += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                position += 1
                if depth == 0 { return start..<position }
            default: position += 1
            }
        }
        return start..<position
    }

    /// The members of the object that starts at `position`, in order, keys with their quotes.
    package mutating func members(_ body: (_ key: Range<Int>, _ value: Range<Int>) -> Void) {
        guard take("{") else { return }
        while peek() == UInt8(ascii: "\"") {
            let key = string()
            _ = take(":")
            body(key, value())
            guard take(",") else { break }
        }
    }

    /// The elements of the array in a range; none where there is no array.
    package static func elements(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>
    ) -> [Range<Int>] {
        var scanner = JSONScanner(bytes, range)
        var elements: [Range<Int>] = []
        guard scanner.take("[") else { return [] }
        while scanner.peek() != UInt8(ascii: "]"), scanner.position < scanner.end {
            elements.append(scanner.value())
            guard scanner.take(",") else { break }
        }
        return elements
    }

    package func number(_ range: Range<Int>) -> Double? {
        guard !range.isEmpty, let start = bytes.baseAddress else { return nil }
        var value = 0.0
        return cj_double(start + range.lowerBound, range.count, &value) != 0 ? value : nil
    }

    /// The text of a string given with its quotes; nil for half of a surrogate pair.
    package func text(_ range: Range<Int>) -> String? {
        let inside = bytes[range.dropFirst().dropLast()]
        guard inside.contains(UInt8(ascii: "\\")) else {
            return String(decoding: inside, as: UTF8.self)
        }
        var units: [UInt16] = []
        Self.decode(inside) { units.append($0) }
        return String(validating: units, as: UTF16.self)
    }

    /// The UTF-16 code units of a string given without its quotes.
    static func decode(_ text: Slice<UnsafeBufferPointer<UInt8>>, _ body: (UInt16) -> Void) {
        var index = text.startIndex
        var plain = index
        func flush(upTo end: Int) {
            guard plain < end else { return }
            for unit in String(decoding: text[plain..<end], as: UTF8.self).utf16 { body(unit) }
        }
        while index < text.endIndex {
            guard text[index] == UInt8(ascii: "\\"), index + 1 < text.endIndex else {
                index += 1
                continue
            }
            flush(upTo: index)
            let escape = text[index + 1]
            index += 2
            switch escape {
            case UInt8(ascii: "b"): body(0x08)
            case UInt8(ascii: "f"): body(0x0C)
            case UInt8(ascii: "n"): body(0x0A)
            case UInt8(ascii: "r"): body(0x0D)
            case UInt8(ascii: "t"): body(0x09)
            case UInt8(ascii: "u"):
                let digits = text[index..<min(index + 4, text.endIndex)]
                body(UInt16(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0xFFFD)
                index = digits.endIndex
            default: body(UInt16(escape))
            }
            plain = index
        }
        flush(upTo: index)
    }
}
