package import Foundation

/// The tensors of a `.safetensors` fixture, read without the code under test.
package struct SafetensorsFixture {
    package struct Entry {
        /// As in the file: `U8`, `F32`, `I64`…
        package let dtype: String
        package let shape: [Int]
        /// Little endian, row-major.
        package let data: Data

        package var bytes: [UInt8] { [UInt8](data) }

        package var floats: [Float] {
            bytes.withUnsafeBytes { raw in
                stride(from: 0, to: raw.count, by: 4).map {
                    raw.loadUnaligned(fromByteOffset: $0, as: Float.self)
                }
            }
        }
    }

    package let entries: [String: Entry]

    /// Reads `Tests/Fixtures/<name>`.
    package init(_ name: String) throws {
        let file = try Data(contentsOf: URL(fileURLWithPath: fixture(name)))
        let headerLength = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = try JSONSerialization.jsonObject(with: file[8..<8 + headerLength])
        var entries: [String: Entry] = [:]
        for case (let name, let value as [String: Any]) in header as? [String: Any] ?? [:] {
            guard let dtype = value["dtype"] as? String, let shape = value["shape"] as? [Int],
                let offsets = value["data_offsets"] as? [Int]
            else { continue }
            let start = 8 + headerLength
            entries[name] = Entry(
                dtype: dtype, shape: shape,
                data: file.subdata(in: start + offsets[0]..<start + offsets[1]))
        }
        self.entries = entries
    }

    package subscript(_ name: String) -> Entry? { entries[name] }
}

/// A JSON fixture under `Tests/Fixtures`.
package func jsonFixture<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
        type, from: Data(contentsOf: URL(fileURLWithPath: fixture(name))))
}
