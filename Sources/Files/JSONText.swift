import Glibc

/// A JSON string literal.
package func jsonText(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": out += "\\\""
        case "\\": out += "\\\\"
        case "\n": out += "\\n"
        case "\r": out += "\\r"
        case "\t": out += "\\t"
        case _ where scalar.value < 0x20:
            let hex = String(scalar.value, radix: 16)
            out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out + "\""
}

/// A JSON number; JSON has no infinities and no NaN, so those become null.
package func jsonNumber(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }

package func appendLine(_ line: String, to path: String) throws(FileError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .fileSystem(path: path, action: "open", errno: errno) }
    defer { close(descriptor) }
    let bytes = Array((line + "\n").utf8)
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
        throw .fileSystem(path: path, action: "write", errno: errno)
    }
}
