import Foundation
import MaskModel
import Torch

/// What `mal checkpoint` says about a file.
public struct CheckpointReport: Sendable {
    public let text: String

    /// - Parameter file: a path, or the name of a model that ships.
    /// - Throws: `CheckpointError` for what is no checkpoint.
    public init(file: String, listsKeys: Bool) throws {
        let info = try MaskCheckpoint(path: try ModelFiles.path(for: file)).info
        let keys =
            listsKeys ? info.parameters.map { "\($0.name) \($0.shape) \($0.elementType)" } : []
        text = ([info.description] + keys).joined(separator: "\n")
    }

    /// Converts, and describes what was written.
    /// - Parameter halves: whether to store float16 (true) or float32 (false); nil keeps the type.
    public init(
        converting input: String, to output: String, heads: String?, halves: Bool?,
        metadata: [String: String], overwrites: Bool = false
    ) throws {
        var paths = RunPaths()
        paths.reads("checkpoint", try ModelFiles.path(for: input))
        paths.reads("heads", heads)
        paths.writes("checkpoint", output)
        try paths.check()
        guard overwrites || access(output, F_OK) != 0 else {
            throw LabelingError.wrongUse(
                "the output \(output) is there; --overwrite replaces it")
        }
        try Libtorch.start()
        let info = try CheckpointConversion.convert(
            input, to: output, heads: heads, elementType: halves.map { $0 ? .float16 : .float32 },
            metadata: metadata, version: Product.version)
        text = info.description
    }
}
