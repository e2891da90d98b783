import MaskModel
import Torch

/// A checkpoint and the network it makes.
struct LabelingModel {
    let path: String
    let configuration: MaskNetworkConfiguration
    private let checkpoint: MaskCheckpoint

    /// - Parameters:
    ///   - checkpoint: a path, or the name of a model that ships.
    ///   - spec: `model.*`. An arch that was left at TAO's default gives way to what the file says
    ///     about itself; the sizes of our own keys win over both.
    init(checkpoint name: String, spec: ModelSpec, onEvent: RunEventHandler) throws {
        path = try ModelFiles.path(for: name)
        checkpoint = try MaskCheckpoint(path: path)
        let info = checkpoint.info
        guard info.hasHeads, info.hasBackbone else {
            throw LabelingError.wrongUse(
                "\(path): labelling needs a backbone and heads; this file has "
                    + (info.hasBackbone ? "no heads" : "no backbone") + " (\(info.what))")
        }
        let fileLayout = info.architecture?.backboneLayout
        var backbone: BackboneConfiguration
        let isLeftOpen = spec.arch == Spec.standard.model.arch
        if isLeftOpen, let own = info.architecture, let layout = own.backboneLayout,
            let patch = info.number(.patchSize) ?? own.patchSize
        {
            backbone = BackboneConfiguration(
                layout: layout, width: spec.embedDim ?? own.embedDim, depth: spec.depth ?? own.depth,
                headCount: try info.requiredHeadCount(override: spec.headCount), patchSize: patch)
            try backbone.validate()
        } else {
            backbone = try BackboneConfiguration(
                arch: spec.arch, layout: fileLayout ?? .patchConv,
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
        onEvent(.note("model: \(info.architecture?.summary ?? info.what) (\(path))"))
    }

    /// The crop size the file was trained for, if it says so.
    var cropSize: Int? { checkpoint.info.number(.cropSize) }

    /// The thresholds the file says it works best with: small, medium, large.
    var thresholds: [Float]? {
        guard let text = checkpoint.info.metadata["mask_thres"] else { return nil }
        let values = text.split(separator: ",").compactMap { Float($0) }
        guard values.allSatisfy({ $0 > 0 && $0 < 1 }) else { return nil }
        switch values.count {
        case 1: return [values[0], values[0], values[0]]
        case 3: return values
        default: return nil
        }
    }

    func check(cropSize: Int) throws(MaskModelError) {
        try configuration.validate(cropSize: cropSize)
    }

    func networks(_ source: MaskSource, on device: Device) throws -> [MaskNetwork] {
        switch source {
        case .student: [try network(.student, on: device)]
        case .teacher: [try network(.teacher, on: device)]
        case .mixed: [try network(.student, on: device), try network(.teacher, on: device)]
        }
    }

    func network(_ role: MaskCheckpoint.Role, on device: Device) throws -> MaskNetwork {
        let stored = role == .student ? checkpoint.student : checkpoint.teacher
        guard !stored.isEmpty else {
            throw LabelingError.wrongUse("\(path): there is no \(role.rawValue) in this file")
        }
        do {
            return try MaskNetwork(
                configuration, parameters: stored.mapValues { $0.tensor() }, device: device)
        } catch {
            throw LabelingError.wrongUse(
                "\(path) does not fit the network of the spec.\n  found: "
                    + "\(checkpoint.info.architecture?.summary ?? checkpoint.info.what)\n\(error)")
        }
    }
}

extension CheckpointArchitecture {
    var backboneLayout: BackboneConfiguration.Layout? {
        switch layout {
        case .patchConv: .patchConv
        case .convStem: .convStem
        case .dinov2: .dinov2
        case .fan: nil
        }
    }
}
