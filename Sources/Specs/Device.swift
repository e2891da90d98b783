/// Where the network runs.
package enum DeviceChoice: Sendable, Equatable {
    /// The first GPU of the command's `gpu_ids` if there is one, else the CPU.
    case auto
    case cpu
    case cuda(Int)

    package static let values = "auto, cpu or cuda:N"

    /// `auto`, `cpu`, `cuda` (the first GPU) or `cuda:N`.
    package init?(_ text: String) {
        switch text {
        case "auto": self = .auto
        case "cpu": self = .cpu
        case "cuda": self = .cuda(0)
        default:
            guard text.hasPrefix("cuda:"), text.utf8.dropFirst(5).allSatisfy({ 0x30...0x39 ~= $0 }),
                let index = Int(text.dropFirst(5)), index < 1024
            else { return nil }
            self = .cuda(index)
        }
    }
}

/// What a spec asks for: `auto` leaves it to the device.
package enum PrecisionChoice: String, Sendable, CaseIterable {
    case auto, fp32, bf16, fp16, int8

    /// What can be trained in.
    package enum Training: String, Sendable, CaseIterable {
        case auto, fp32, bf16, fp16
    }
}

/// What the network computes in. `bf16` and `fp16` are autocast: weights stay fp32. `int8` is for inference on a
/// CPU: the weights of linear layers are int8.
package enum Arithmetic: String, Sendable {
    case fp32, bf16, fp16, int8
}

/// The devices of one command, as TAO names them.
package struct GPUSpec: Sendable, Equatable {
    /// `num_gpus`.
    package let count: Int
    /// `gpu_ids` as given; `deviceIDs` is what counts.
    package let ids: [Int]
    /// `num_nodes`.
    package let nodeCount: Int

    init(_ reader: SpecReader) {
        count = reader.int(
            "num_gpus", default: 1, in: 1...1024, "Number of GPUs.")
        ids = reader.ints(
            "gpu_ids", default: [0], in: 0...1023, counts: 0...1024,
            "GPUs to use; as many as num_gpus. A machine without a GPU uses its CPU.")
        nodeCount = reader.int(
            "num_nodes", default: 1, in: 1...65536, "Number of machines.")
    }

    /// The GPUs to use: `gpu_ids`, unless it was left at one GPU and `num_gpus` asks for more.
    package var deviceIDs: [Int] {
        ids.count == count || ids.count > 1 || (ids != [0] && !ids.isEmpty)
            ? ids : Array(0..<count)
    }

    package func warnings(for command: Spec.Command, _ name: String) -> [String] {
        guard deviceIDs.count != count else { return [] }
        return [
            "\(name): \(command.rawValue).num_gpus is \(count), but "
                + "\(command.rawValue).gpu_ids has \(ids.count) entries: using gpu_ids"
        ]
    }
}
