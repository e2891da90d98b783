/// The numbers of the mask head (`model.mask_*`).
package struct MaskHeadConfiguration: Equatable, Sendable {
    /// 3×3 convolutions (`mask_head_num_convs`), 4 or more.
    package var convolutionCount: Int
    /// Channels between them (`mask_head_hidden_channel`).
    package var hiddenChannels: Int
    /// Channels of the key and value vectors (`mask_head_out_channel`).
    package var outputChannels: Int
    /// How much the map grows inside the head (`mask_scale_ratio`).
    package var scaleRatio: Double

    package init(
        convolutionCount: Int = 4, hiddenChannels: Int = 256, outputChannels: Int = 256,
        scaleRatio: Double = 2
    ) {
        self.convolutionCount = convolutionCount
        self.hiddenChannels = hiddenChannels
        self.outputChannels = outputChannels
        self.scaleRatio = scaleRatio
    }
}

/// Everything that decides the parameters and the arithmetic of a ``MaskNetwork``.
package struct MaskNetworkConfiguration: Equatable, Sendable {
    package var backbone: BackboneConfiguration
    package var maskHead: MaskHeadConfiguration
    /// Whether objects of different size get maps of different size (`not_adjust_scale: false`).
    package var adjustsScale: Bool
    /// How much the feature map grows before the mask head (`mask_scale_ratio_pre`).
    package var scaleRatioBefore: Double

    package init(
        backbone: BackboneConfiguration, maskHead: MaskHeadConfiguration = .init(),
        adjustsScale: Bool = true, scaleRatioBefore: Double = 1
    ) {
        self.backbone = backbone
        self.maskHead = maskHead
        self.adjustsScale = adjustsScale
        self.scaleRatioBefore = scaleRatioBefore
    }

    /// What a model file says about these sizes.
    package var metadata: [(CheckpointInfo.MetadataKey, String)] {
        [
            (.layout, backbone.layout.rawValue), (.embedDim, "\(backbone.width)"),
            (.depth, "\(backbone.depth)"), (.headCount, "\(backbone.headCount)"),
            (.patchSize, "\(backbone.patchSize)"),
            (.maskHeadConvolutionCount, "\(maskHead.convolutionCount)"),
            (.maskHeadHiddenChannels, "\(maskHead.hiddenChannels)"),
            (.maskHeadOutChannels, "\(maskHead.outputChannels)"),
        ]
    }

    /// Throws when the numbers make no network.
    package func validate() throws(MaskModelError) {
        try backbone.validate()
        let count = maskHead.convolutionCount
        guard (4...64).contains(count) else {
            throw .invalidSize("mask_head_num_convs", count, rule: "from 4 to 64")
        }
        let channels = [
            ("mask_head_hidden_channel", maskHead.hiddenChannels),
            ("mask_head_out_channel", maskHead.outputChannels),
        ]
        for (name, value) in channels where !(1...8192).contains(value) {
            throw .invalidSize(name, value, rule: "from 1 to 8192")
        }
        let ratios = [
            ("mask_scale_ratio", maskHead.scaleRatio),
            ("mask_scale_ratio_pre", scaleRatioBefore),
        ]
        for (name, value) in ratios where !(value >= 0.5 && value <= 16) {
            throw .invalidSize(name, Int(exactly: value) ?? 0, rule: "from 0.5 to 16")
        }
    }

    /// Throws ``MaskModelError/invalidCropSize(_:rule:)`` for a square crop the network cannot take.
    package func validate(cropSize: Int) throws(MaskModelError) {
        let stride = backbone.tokenStride
        guard cropSize > 0, cropSize.isMultiple(of: stride) else {
            throw .invalidCropSize(cropSize, rule: "a multiple of \(stride)")
        }
        // A small object's map has half the side of the feature map, and a batch norm in training needs
        // more than one position.
        guard cropSize >= 2 * stride || !adjustsScale && backbone.layout != .fan else {
            throw .invalidCropSize(cropSize, rule: "\(2 * stride) or more")
        }
        guard cropSize <= 16_384 else { throw .invalidCropSize(cropSize, rule: "16384 or less") }
    }

    /// The side of the logits for a square crop.
    package func logitsSide(cropSize: Int) -> Int {
        let side = cropSize / backbone.tokenStride
        if adjustsScale { return 4 * side }
        let before = Int(Double(side) * scaleRatioBefore)
        return 4 * Int(Double(before) * maskHead.scaleRatio)
    }
}
