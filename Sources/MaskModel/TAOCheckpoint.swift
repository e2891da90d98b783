package import Torch

/// TAO's own checkpoint files: `student.*` and `teacher.*` in a `.pth` of `torch.save`. TAO evaluates them,
/// labels with them and starts from them. They hold no optimizer, so TAO does not resume training from them.
package enum TAOCheckpoint {
    /// TAO's network has a classifier of so many classes, which nothing uses and loading wants.
    private static let classCount = 1000

    /// - Parameters:
    ///   - tensors: `student.*` and `teacher.*`; without a teacher the student's stand for both.
    ///   - layout: of the backbone; TAO 6.25 and later read `patch-conv`, up to 6.0 `conv-stem`.
    ///   - width: channels of the backbone.
    package static func write(
        _ tensors: [StoredTensor], layout: BackboneConfiguration.Layout, width: Int, epoch: Int = 0,
        step: Int = 0, to path: String
    ) throws(CheckpointError) {
        var all = tensors
        if !tensors.contains(where: { $0.name.hasPrefix("teacher.") }) {
            all += tensors.compactMap { tensor in
                tensor.name.dropping(prefix: "student.").map { tensor.renamed("teacher." + $0) }
            }
        }
        if layout != .convStem {
            for network in ["student.", "teacher."] {
                for (name, shape) in [("weight", [classCount, width]), ("bias", [classCount])] {
                    all.append(
                        StoredTensor(
                            name: network + "backbone.head." + name, shape: shape,
                            floats: [Float](repeating: 0, count: shape.reduce(1, *))))
                }
            }
        }
        try TorchFile.write(
            all.sorted { $0.name < $1.name },
            extras: [
                ("epoch", .integer(epoch)), ("global_step", .integer(step)),
                ("pytorch-lightning_version", .text("2.0.0")), ("tao_model", .text("mal")),
            ], to: path)
    }
}
