import Torch

/// The names that published checkpoints give to parameters, renamed to ours, which are timm's:
/// `cls_token`, `pos_embed`, `patch_embed.proj.*`, `blocks.i.*`, `norm.*` for a backbone, with
/// `backbone.`, `roi_head.`, `mask_head.` before them in a whole network.
enum PretrainedWeights {
    /// Whose names a file uses.
    enum Source: String, Sendable {
        case maskAutoLabeler = "Mask Auto-Labeler"
        case maskHeads = "Mask Auto-Labeler heads without a backbone"
        case maePretraining = "MAE pre-training"
        case visionTransformer = "vision transformer (timm names)"
        case huggingFaceViT = "Hugging Face ViT"
        case huggingFaceViTMAE = "Hugging Face ViTMAE"
        case huggingFaceDINOv2 = "Hugging Face Dinov2Model"
        case fan = "FAN image classifier"
    }

    /// A file's parameters under our names.
    struct Renamed {
        let source: Source
        /// `backbone.*`, `roi_head.*`, `mask_head.*`.
        var student: [String: StoredTensor] = [:]
        /// As `student`; empty when the file has no teacher.
        var teacher: [String: StoredTensor] = [:]
        /// The file's names of parameters that no network of ours has: decoders, classifiers.
        var ignored: [String] = []
    }

    /// Nil when the names are those of no known source.
    static func rename(_ checkpoint: StoredCheckpoint) throws(CheckpointError) -> Renamed? {
        let tensors = withoutWrappers(checkpoint.tensors)
        let names = Set(tensors.map(\.name))
        guard names.count == tensors.count else { return nil }
        let networks = ["student.", "teacher.", "roi_head."]
        if names.contains(where: { name in networks.contains { name.hasPrefix($0) } }) {
            return maskNetworks(tensors)
        }
        for prefix in ["", "vit.", "dinov2.", "backbone."] {
            if names.contains(prefix + "embeddings.patch_embeddings.projection.weight") {
                return try huggingFace(tensors, prefix: prefix, file: checkpoint.file)
            }
            if names.contains(prefix + "cls_token") {
                return backbone(tensors, prefix: prefix)
            }
        }
        return nil
    }

    /// What wrappers of PyTorch and of trainers put before all names, in any order.
    private static let wrappers = [
        "module.", "_orig_mod.", "model.", "net.", "_fsdp_wrapped_module.", "_forward_module.",
    ]

    private static func withoutWrappers(_ tensors: [StoredTensor]) -> [StoredTensor] {
        var tensors = tensors
        // One prefix after another comes off; the longest chain that anybody makes is short.
        for _ in 0..<16 {
            let prefix = wrappers.first { prefix in
                !tensors.isEmpty && tensors.allSatisfy { $0.name.hasPrefix(prefix) }
            }
            guard let prefix else { break }
            tensors = tensors.map { $0.renamed(String($0.name.dropFirst(prefix.count))) }
        }
        return tensors
    }

    /// A MAL checkpoint: `student.*`, `teacher.*` or both, or one network without such a prefix.
    private static func maskNetworks(_ tensors: [StoredTensor]) -> Renamed {
        let hasBackbone = tensors.contains { $0.name.contains("backbone.") }
        var result = Renamed(source: hasBackbone ? .maskAutoLabeler : .maskHeads)
        func network(_ prefix: String) -> [String: StoredTensor] {
            let named = tensors.compactMap { tensor in
                tensor.name.dropping(prefix: prefix).map { tensor.renamed($0) }
            }
            let pairs = withoutWrappers(named).map { ($0.name, $0) }
            return Dictionary(pairs) { first, _ in first }
        }
        let (student, teacher) = (network("student."), network("teacher."))
        guard !student.isEmpty || !teacher.isEmpty else {
            result.student = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
            return result
        }
        // A teacher alone is what labels.
        (result.student, result.teacher) = student.isEmpty ? (teacher, [:]) : (student, teacher)
        result.ignored = tensors.map(\.name).filter {
            !$0.hasPrefix("student.") && !$0.hasPrefix("teacher.")
        }
        return result
    }

    /// A backbone with timm's names, or FAN's.
    private static func backbone(_ tensors: [StoredTensor], prefix: String) -> Renamed {
        let isMAE =
            tensors.contains { $0.name.hasPrefix(prefix + "decoder_blocks.") }
            || tensors.contains { $0.name == prefix + "decoder_pos_embed" }
        let isFAN = tensors.contains { $0.name.hasPrefix(prefix + "cls_attn_blocks.") }
        var result = Renamed(
            source: isFAN ? .fan : isMAE ? .maePretraining : .visionTransformer)
        for tensor in tensors {
            guard let name = tensor.name.dropping(prefix: prefix),
                name != "mask_token", !name.hasPrefix("decoder_")
            else {
                result.ignored.append(tensor.name)
                continue
            }
            result.student["backbone." + name] = tensor.renamed("backbone." + name)
        }
        return result
    }

    /// ViTModel, ViTMAE and Dinov2Model, with or without a task head around them.
    private static func huggingFace(
        _ tensors: [StoredTensor], prefix: String, file: String
    ) throws(CheckpointError) -> Renamed {
        let names = Set(tensors.map(\.name))
        let isDINO = names.contains(prefix + "encoder.layer.0.layer_scale1.lambda1")
        let isMAE = names.contains { $0.hasPrefix("decoder.") }
        var result = Renamed(
            source: isDINO ? .huggingFaceDINOv2 : isMAE ? .huggingFaceViTMAE : .huggingFaceViT)
        /// Query, key and value, of which timm's `qkv` is one after the other.
        var parts: [String: [StoredTensor?]] = [:]
        for tensor in tensors {
            guard let name = tensor.name.dropping(prefix: prefix),
                let target = huggingFaceName(name)
            else {
                result.ignored.append(tensor.name)
                continue
            }
            switch target {
            case .whole(let name):
                result.student["backbone." + name] = tensor.renamed("backbone." + name)
            case .part(let place, let name):
                parts[name, default: [nil, nil, nil]][place] = tensor
            }
        }
        for (name, parts) in parts {
            let present = parts.compactMap { $0 }
            guard present.count == 3,
                let joined = StoredTensor.concatenated(present, name: "backbone." + name)
            else {
                let shapes = present.map { "\($0.name.printable) \($0.shape)" }
                throw CheckpointError(
                    file: file, kind: .damaged,
                    message: "query, key and value of \(name) do not fit together: found "
                        + shapes.joined(separator: ", "))
            }
            result.student["backbone." + name] = joined
        }
        return result
    }

    private enum Target {
        case whole(String)
        /// A third (0 query, 1 key, 2 value) of a parameter.
        case part(Int, String)
    }

    private static func huggingFaceName(_ name: String) -> Target? {
        switch name {
        case "embeddings.cls_token": return .whole("cls_token")
        case "embeddings.position_embeddings": return .whole("pos_embed")
        case "embeddings.register_tokens": return .whole("register_tokens")
        default: break
        }
        guard let dot = name.lastIndex(of: ".") else { return nil }
        let (layer, kind) = (String(name[..<dot]), String(name[name.index(after: dot)...]))
        switch layer {
        case "embeddings.patch_embeddings.projection": return .whole("patch_embed.proj.\(kind)")
        case "layernorm": return .whole("norm.\(kind)")
        default: break
        }
        guard let rest = name.dropping(prefix: "encoder.layer."),
            let end = rest.firstIndex(of: "."), let block = Int(rest[..<end]), block >= 0
        else { return nil }
        let inner = String(rest[rest.index(after: end)...].dropLast(kind.count + 1))
        let target = "blocks.\(block)."
        return switch inner {
        case "attention.attention.query": .part(0, target + "attn.qkv.\(kind)")
        case "attention.attention.key": .part(1, target + "attn.qkv.\(kind)")
        case "attention.attention.value": .part(2, target + "attn.qkv.\(kind)")
        case "attention.output.dense": .whole(target + "attn.proj.\(kind)")
        case "layernorm_before", "norm1": .whole(target + "norm1.\(kind)")
        case "layernorm_after", "norm2": .whole(target + "norm2.\(kind)")
        case "intermediate.dense", "mlp.fc1": .whole(target + "mlp.fc1.\(kind)")
        case "output.dense", "mlp.fc2": .whole(target + "mlp.fc2.\(kind)")
        case "layer_scale1" where kind == "lambda1": .whole(target + "ls1.gamma")
        case "layer_scale2" where kind == "lambda1": .whole(target + "ls2.gamma")
        default: nil
        }
    }
}

extension String {
    /// The text after a prefix, or nil when it does not begin with it.
    package func dropping(prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
