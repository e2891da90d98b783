import Files
import Foundation
import Inference
import MaskModel
import Specs
import Torch

/// What `mal checkpoint` says about a file.
public struct CheckpointReport: Sendable {
    public let text: String

    /// - Parameter file: a path, or the name of a model that ships.
    /// - Throws: `CheckpointError` for what is no checkpoint, `LabelingError` for one of `mal train` of
    ///   which a file is not as it was written.
    public init(file: String, listsKeys: Bool) throws {
        let path = try ModelFiles.path(for: file)
        let stored = try StoredCheckpoint(path: path)
        let info = try MaskCheckpoint(stored).info
        let state = try TrainingCheckpoint.stateAfterCheck(ofFile: path, all: true)
        let faults = stored.tensors.nonFinite.map { "not finite: \($0)" }
        let keys =
            listsKeys ? info.parameters.map { "\($0.name) \($0.shape) \($0.elementType)" } : []
        text = ([info.description] + (state?.lines ?? []) + faults + keys)
            .joined(separator: "\n")
    }

    /// Converts, and describes what was written.
    /// - Parameters:
    ///   - input: a file, a checkpoint folder of `mal train`, or the name of a model that ships.
    ///   - halves: whether to store float16 (true) or float32 (false); nil keeps the type.
    public init(
        converting input: String, to output: String, heads: String?, halves: Bool?,
        metadata: [String: String], overwrites: Bool = false
    ) throws {
        var paths = RunPaths()
        let path = try ModelFiles.path(for: input)
        let teacher = ModelFiles.teacherPath(besides: path, of: input)
        if let teacher { _ = try TrainingCheckpoint.stateAfterCheck(ofFile: teacher) }
        paths.reads("checkpoint", path)
        paths.reads("teacher", teacher)
        paths.reads("heads", heads)
        paths.writes("checkpoint", output)
        try paths.check()
        let place = try ModelOutput(output, overwrites: overwrites)
        defer { withExtendedLifetime(place) {} }
        try Libtorch.start()
        let info: CheckpointInfo
        do {
            info = try CheckpointConversion.convert(
                path, teacher: teacher, to: output, heads: heads,
                elementType: halves.map { $0 ? .float16 : .float32 }, metadata: metadata,
                version: Product.version)
        } catch {
            guard error.kind == .metadata else { throw error }
            throw LabelingError.wrongOption("--\(error.message)")
        }
        let lost = info.format == .torch ? try MaskCheckpoint(path: path).info.metadata : [:]
        let keys = [("crop_size", "dataset.crop_size"), ("mask_thres", "train.mask_thres")]
        let lines = keys.compactMap { name, key in
            lost[name].map { "for the spec, as a .pth holds no metadata: \(key) \($0.printable)" }
        }
        text = ([info.description] + lines).joined(separator: "\n")
    }
}

extension TrainingState {
    /// What `mal checkpoint info` says of the checkpoint that a model file belongs to.
    fileprivate var lines: [String] {
        let computed = (environment ?? [:]).sorted { $0.key < $1.key }
            .map { "\(printable($0.key)) \(printable($0.value))" }.joined(separator: ", ")
        let best = best.map { ", best \(printable($0.metric)) \($0.value) at step \($0.step)" }
        return [
            "checkpoint of mal train: step \(step), epoch \(epoch)" + (best ?? ""),
            format == 1
                ? "checksums: none, it is from before checkpoints had them"
                : "checksums: all files are as they were written",
        ] + (computed.isEmpty ? [] : ["computed with: " + computed])
    }
}
