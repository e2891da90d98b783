package import Torch

extension MaskNetworkConfiguration {
    /// Whether ``NetworkPruner`` can make it smaller.
    package var canBePruned: Bool { [.patchConv, .dinov2].contains(backbone.layout) }

    /// The smaller network of a share of this one's attention heads.
    ///
    /// Heads keep their width, so that the stream's width and the hidden units, four times as many, become
    /// less with them. The mask head's channels are that share of this one's, in whole eights.
    ///
    /// - Parameters:
    ///   - share: above 0, up to 1; to the nearest whole number of heads, one at least.
    ///   - patchSize: of other patches; the layout is timm's then.
    ///   - channels: of the mask head, in place of those by the share.
    package func pruned(
        keeping share: Double, patchSize: Int? = nil, channels: Int? = nil
    ) throws(MaskModelError) -> Self {
        var result = self
        let headWidth = backbone.width / backbone.headCount
        result.backbone.headCount = max(1, Int((share * Double(backbone.headCount)).rounded()))
        result.backbone.width = headWidth * result.backbone.headCount
        if let patchSize, patchSize != backbone.patchSize {
            result.backbone.patchSize = patchSize
            result.backbone.layout = .patchConv
        }
        func kept(_ count: Int) -> Int {
            min(count, channels ?? 8 * Int((share * Double(count) / 8).rounded(.up)))
        }
        result.maskHead.hiddenChannels = kept(maskHead.hiddenChannels)
        result.maskHead.outputChannels = kept(maskHead.outputChannels)
        try result.validate()
        return result
    }
}

/// Crops of objects of one size.
package struct PruningBatch {
    package let bucket: SizeBucket
    /// For the network that is pruned, (B, 3, S, S).
    package let image: () -> Tensor
    /// For a pruned network with other patches: as many patches a side.
    package let resized: () -> Tensor

    package init(
        bucket: SizeBucket, image: @escaping () -> Tensor, resized: @escaping () -> Tensor
    ) {
        self.bucket = bucket
        self.image = image
        self.resized = resized
    }
}
