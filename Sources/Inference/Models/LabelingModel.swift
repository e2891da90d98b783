package import MaskModel
package import Specs
package import Torch

/// A checkpoint and the network it makes.
package struct LabelingModel {
    package let path: String
    package let configuration: MaskNetworkConfiguration
    /// What its masks' scores are estimated by: the file's own fit, or the nearest.
    package let confidence: ConfidenceModel
    private let checkpoint: MaskCheckpoint
    /// The file beside the student in a folder of `mal train`.
    private let teacherPath: String?
    /// What the network is, for messages.
    private let architecture: String

    /// - Parameters:
    ///   - checkpoint: a path, or the name of a model that ships.
    ///   - spec: `model.*`. An arch that was left at TAO's default gives way to what the file says
    ///     about itself; the sizes of our own keys win over both.
    package init(checkpoint name: String, spec: ModelSpec, onEvent: RunEventHandler) throws {
        path = try ModelFiles.path(for: name)
        teacherPath = ModelFiles.teacherPath(besides: path, of: name)
        if let teacherPath { _ = try TrainingCheckpoint.stateAfterCheck(ofFile: teacherPath) }
        checkpoint = try MaskCheckpoint(path: path)
        let info = checkpoint.info
        guard info.hasHeads, info.hasBackbone else {
            throw LabelingError.wrongUse(
                "\(path): labelling needs a backbone and heads; this file has "
                    + (info.hasBackbone ? "no heads" : "no backbone") + " (\(info.what))")
        }
        var backbone: BackboneConfiguration
        if spec.arch == Spec.standard.model.arch {
            backbone = try info.backboneConfiguration(headCount: spec.headCount)
            backbone.width = spec.embedDim ?? backbone.width
            backbone.depth = spec.depth ?? backbone.depth
            try backbone.validate()
            architecture = info.arch ?? "the file's own sizes"
        } else {
            architecture = "model.arch \(spec.arch)"
            backbone = try BackboneConfiguration(
                arch: spec.arch, layout: try info.backboneConfiguration(headCount: 1).layout,
                embedDim: spec.embedDim ?? info.number(.embedDim),
                depth: spec.depth ?? info.number(.depth),
                headCount: spec.headCount ?? info.number(.headCount))
        }
        var maskHead = MaskHeadConfiguration(
            convolutionCount: spec.maskHeadConvCount,
            hiddenChannels: spec.maskHeadHiddenChannelCount,
            outputChannels: spec.maskHeadOutChannelCount, scaleRatio: spec.maskScaleRatio)
        let standard = Spec.standard.model
        if let own = info.maskHead, spec.maskHeadConvCount == standard.maskHeadConvCount,
            spec.maskHeadHiddenChannelCount == standard.maskHeadHiddenChannelCount,
            spec.maskHeadOutChannelCount == standard.maskHeadOutChannelCount
        {
            maskHead.convolutionCount = own.convolutionCount
            maskHead.hiddenChannels = own.hiddenChannels
            maskHead.outputChannels = own.outChannels
        }
        configuration = MaskNetworkConfiguration(
            backbone: backbone, maskHead: maskHead, adjustsScale: !spec.skipsScaleAdjustment,
            scaleRatioBefore: Double(spec.maskScaleRatioPre))
        try configuration.validate()
        self.confidence =
            try Self.fit(of: info) ?? ConfidenceModel.nearest(toArchitecture: info.arch)
        onEvent(.note("model: \(info.architecture?.summary ?? info.what) (\(path))"))
    }

    /// The file's own fit; nil when it has none.
    private static func fit(of info: CheckpointInfo) throws -> ConfidenceModel? {
        let keys = [CheckpointInfo.MetadataKey.scoreFit, .confidence].map(\.rawValue)
        guard let key = keys.first(where: { info.metadata[$0] != nil }),
            let json = info.metadata[key]
        else { return nil }
        guard let fit = ConfidenceModel(json: json) else {
            throw CheckpointError(
                file: info.file, kind: .damaged,
                message: "metadata \(key): expected the numbers of a fit (docs/confidence.md), "
                    + "found \(json.printable)")
        }
        return fit
    }

    /// The crop size the file was trained for, if it says so.
    package var cropSize: Int? { checkpoint.info.number(.cropSize) }

    /// The thresholds the file says it works best with: small, medium, large.
    package var thresholds: [Float]? { checkpoint.info.metadata.maskThresholds }

    /// Crop size and thresholds: what the spec sets, else what the model file says about itself, else
    /// TAO's defaults.
    ///
    /// - Parameter isFromFile: whether somebody wrote a spec, and is told where the file differs.
    package func settings(
        of spec: Spec, isFromFile: Bool, onEvent: RunEventHandler
    ) -> (cropSize: Int, thresholds: [Float]) {
        func choose<Value: Equatable>(_ key: String, _ given: Value, own: Value?) -> Value {
            guard let own else { return given }
            let isSet = spec.isSet(key)
            if isFromFile, !isSet {
                onEvent(.note("\(key): \(own), as the model file says; the spec leaves it open"))
            } else if isFromFile, own != given {
                onEvent(
                    .warning("\(key) is \(given), but the model file says that it needs \(own)"))
            }
            return isSet ? given : own
        }
        return (
            choose("dataset.crop_size", spec.dataset.cropSize, own: cropSize),
            choose("train.mask_thres", spec.train.thresholds, own: thresholds)
        )
    }

    package func check(cropSize: Int, of spec: DatasetSpec) throws {
        do {
            try configuration.validate(cropSize: cropSize)
        } catch {
            if case .invalidCropSize(_, let rule) = error, let ours = spec.cropSizeError(rule) {
                throw ours
            }
            throw error
        }
    }

    package func networks(_ source: MaskSource, _ runtime: Runtime) throws -> [MaskNetwork] {
        switch source {
        case .student: [try network(.student, runtime)]
        case .teacher: [try network(.teacher, runtime)]
        case .mixed: [try network(.student, runtime), try network(.teacher, runtime)]
        }
    }

    package func network(_ role: MaskCheckpoint.Role, _ runtime: Runtime) throws -> MaskNetwork {
        // On a CPU some layers compute in float32 under autocast too.
        let factors =
            runtime.device == .cpu && runtime.arithmetic != .int8 ? .float32 : runtime.arithmetic
        return try withRecoverableMemory {
            let (file, role) = try place(of: role)
            return try file.network(
                role, configuration, architecture: architecture, device: runtime.device,
                factors: factors)
        }
    }

    /// Parameters and buffers of a network by name, in float32.
    package func parameters(
        _ role: MaskCheckpoint.Role
    ) throws -> [(name: String, tensor: Tensor)] {
        try withRecoverableMemory {
            let (file, role) = try place(of: role)
            return try file.parameters(role, configuration, architecture: architecture)
        }
    }

    /// A teacher in a model file of its own is called the student there.
    private func place(
        of role: MaskCheckpoint.Role
    ) throws -> (file: MaskCheckpoint, role: MaskCheckpoint.Role) {
        guard role == .teacher, let teacherPath else { return (checkpoint, role) }
        return (try MaskCheckpoint(path: teacherPath), .student)
    }

    /// What the file is.
    package var info: CheckpointInfo { checkpoint.info }

    /// What the file says about itself.
    package var metadata: [String: String] { info.metadata }
}
