/// JSON as Python's `json.dump` writes it by default: ", " and ": ", ASCII only, numbers by `repr`.
package enum PythonJSON {
    /// The shortest decimal that reads back as `value`, laid out as Python's `repr` does.
    package static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
        // Swift finds the same shortest digits, but places the point and the exponent by other
        // rules.
        var digits: [UInt8] = []
        var exponent = 0
        var pointAt: Int?
        let text = Array("\(value.magnitude)".utf8)
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: ".") {
                pointAt = digits.count
            } else if byte == UInt8(ascii: "e") {
                exponent = Int(String(decoding: text[(index + 1)...], as: UTF8.self)) ?? 0
                break
            } else {
                digits.append(byte)
            }
        }
        var point = (pointAt ?? digits.count) + exponent
        let zeros = digits.prefix { $0 == UInt8(ascii: "0") }.count
        digits.removeFirst(zeros)
        point -= zeros
        while digits.count > 1, digits.last == UInt8(ascii: "0") { digits.removeLast() }
        return (value < 0 ? "-" : "") + layOut(String(decoding: digits, as: UTF8.self), point)
    }

    /// 0.`digits` · 10^`point`
    private static func layOut(_ digits: String, _ point: Int) -> String {
        let power = point - 1
        if power < -4 || power >= 16 {
            let tail = digits.dropFirst()
            let size = abs(power)
            return digits.prefix(1) + (tail.isEmpty ? "" : "." + tail) + "e"
                + (power < 0 ? "-" : "+") + (size < 10 ? "0" : "") + "\(size)"
        }
        if point <= 0 { return "0." + String(repeating: "0", count: -point) + digits }
        if digits.count <= point {
            return digits + String(repeating: "0", count: point - digits.count) + ".0"
        }
        return digits.prefix(point) + "." + digits.dropFirst(point)
    }

    package static func string(_ text: String) -> [UInt8] {
        var output: [UInt8] = [UInt8(ascii: "\"")]
        for unit in text.utf16 { append(unit, to: &output) }
        output.append(UInt8(ascii: "\""))
        return output
    }

    /// One UTF-16 code unit inside a string.
    package static func append(_ unit: UInt16, to output: inout [UInt8]) {
        switch unit {
        case 0x22, 0x5C: output += [UInt8(ascii: "\\"), UInt8(unit)]
        case 0x08: output += Array("\\b".utf8)
        case 0x0C: output += Array("\\f".utf8)
        case 0x0A: output += Array("\\n".utf8)
        case 0x0D: output += Array("\\r".utf8)
        case 0x09: output += Array("\\t".utf8)
        case 0x20...0x7E, 0x7F: output.append(UInt8(unit))
        default:
            let digits = String(unit, radix: 16)
            output +=
                Array("\\u".utf8) + Array(repeating: UInt8(ascii: "0"), count: 4 - digits.count)
            output += Array(digits.utf8)
        }
    }
}
