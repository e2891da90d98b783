import Foundation
package import Torch

/// The tensors of a `.safetensors` file under `Tests/Fixtures`, by a reader of its own.
package func tensorFixture(_ name: String) throws -> [String: Tensor] {
    let file = try Data(contentsOf: URL(fileURLWithPath: fixture(name)), options: .mappedIfSafe)
    let headerLength = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let start = 8 + headerLength
    let header = try JSONSerialization.jsonObject(with: file[8..<start])
    let types: [String: DType] = [
        "F32": .float32, "F16": .float16, "F64": .float64, "I64": .int64, "I32": .int32,
        "U8": .uint8, "BOOL": .bool,
    ]
    var tensors: [String: Tensor] = [:]
    for case (let name, let entry as [String: Any]) in header as? [String: Any] ?? [:] {
        guard let dtype = (entry["dtype"] as? String).flatMap({ types[$0] }),
            let shape = entry["shape"] as? [Int], let ends = entry["data_offsets"] as? [Int]
        else { continue }
        let bytes = file.subdata(in: start + ends[0]..<start + ends[1])
        tensors[name] = bytes.withUnsafeBytes { Tensor(copying: $0, shape, dtype) }
    }
    return tensors
}

/// A JSON object under `Tests/Fixtures`.
package func jsonObjectFixture(_ name: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: fixture(name)))
    return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
}
