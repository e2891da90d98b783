import Files

/// Text in UTF-8 that is put together piece by piece; numbers go in without a string each.
package struct TextBuffer {
    package var bytes: [UInt8] = []

    package init() {}

    package mutating func append(_ text: String) { bytes += text.utf8 }

    package mutating func append(_ number: Int) {
        if (0...9).contains(number) {
            bytes.append(UInt8(ascii: "0") + UInt8(number))
        } else if (10..<10_000_000).contains(number) {
            var unit = number < 1000 ? (number < 100 ? 10 : 100) : 1000
            while number / unit >= 10 { unit *= 10 }
            while unit > 0 {
                bytes.append(UInt8(ascii: "0") + UInt8(number / unit % 10))
                unit /= 10
            }
        } else {
            append("\(number)")
        }
    }

    /// As short as it reads back: `3`, `3.5`, `3.14`.
    package mutating func append(_ number: Double) {
        guard let double = Int(exactly: 2 * number) else { return append("\(number)") }
        if number < 0, double > -2 { bytes.append(UInt8(ascii: "-")) }
        append(double / 2)
        if double % 2 != 0 { append(".5") }
    }

    /// With six digits after the point, the last one rounded.
    package mutating func append(fixed number: Double) {
        guard abs(number) < 1e12 else { return append("\(number)") }
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        let millionths = Int((abs(number) * 1e6).rounded())
        append(millionths / 1_000_000)
        bytes.append(UInt8(ascii: "."))
        var digit = 100_000
        while digit > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(millionths / digit % 10))
            digit /= 10
        }
    }

    /// Corners as a list of numbers.
    package mutating func append(list numbers: [Double]) {
        bytes.append(UInt8(ascii: "["))
        for (index, number) in numbers.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            append(number)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    /// With quotes, ASCII only.
    package mutating func append(json text: String) { bytes += PythonJSON.string(text) }

    package mutating func append(json id: RecordID) {
        if case .text(let text) = id { append(json: text) } else { append("\(id.plain)") }
    }
}

extension RecordID {
    /// The id without quotes, whole.
    package var plain: String {
        switch self {
        case .integer(let value): "\(value)"
        case .text(let value): value
        case .large(let digits): digits
        }
    }
}
