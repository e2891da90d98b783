package import Torch

/// The weights that the fixtures' networks were given: a function of name and index
/// (`formula` in `manifest.json`).
package enum FormulaWeights {
    /// FNV-1a of the name.
    package static func hash(_ name: String) -> UInt64 {
        name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// The number in [-1, 1) that belongs to flat index `index`.
    @inline(__always)
    package static func value(_ hash: UInt64, _ index: Int) -> Double {
        var z = hash &+ UInt64(truncatingIfNeeded: index + 1) &* 0x9E37_79B9_7F4A_7C15
        z ^= z >> 30
        z &*= 0xBF58_476D_1CE4_E5B9
        z ^= z >> 27
        z &*= 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return Double(z >> 40) * 0x1p-23 - 1
    }

    /// The tensor of a parameter.
    package static func tensor(_ key: String, _ shape: [Int]) -> Tensor {
        let hash = hash(key)
        let (offset, scale) = rule(key, shape)
        return Tensor(shape, .float32) { memory in
            let floats = memory.bindMemory(to: Float.self)
            for index in floats.indices {
                floats[index] = Float(offset + scale * value(hash, index))
            }
        }
    }

    /// Tensors for parameters of these names and shapes; the formula sees `prefix` before a name.
    package static func tensors(
        _ parameters: [(name: String, tensor: Tensor)], prefix: String
    ) -> [String: Tensor] {
        Dictionary(
            uniqueKeysWithValues: parameters.map {
                ($0.name, tensor(prefix + $0.name, $0.tensor.shape))
            })
    }

    private static func rule(_ key: String, _ shape: [Int]) -> (offset: Double, scale: Double) {
        let last = key.split(separator: ".").last ?? ""
        switch last {
        case "num_batches_tracked": return (0, 0)
        case "running_var": return (1, 0.2)
        case "running_mean": return (0, 0.1)
        case "cls_token", "pos_embed": return (0, 0.2)
        case "temperature", "gamma", "gamma1", "gamma2": return (1, 0.1)
        case "bias": return (0, 0.05)
        default: break
        }
        if shape.count == 1 { return (1, 0.1) }
        let fanIn = Double(shape.dropFirst().reduce(1, *))
        let gain: Double =
            if key.contains("roi_head.mlp2") {
                0.15
            } else if key.contains("roi_head") || key.contains("mask_head") {
                Double(2).squareRoot()
            } else {
                1
            }
        return (0, gain * (3 / fanIn).squareRoot())
    }
}
