package import Torch

// B batch, C channels, K channels of key and value, h the side of the feature map.

/// Backbone, RoI head and mask head: what the student and the teacher both are (SPEC §5).
package struct MaskNetwork {
    package let configuration: MaskNetworkConfiguration
    package let backbone: Backbone
    package let roiHead: RoIHead
    package let maskHead: MaskHead

    /// A network whose parameters come from `scope`: fresh or loaded, as its store does.
    package init(_ scope: ParameterScope, _ configuration: MaskNetworkConfiguration) {
        self.configuration = configuration
        let width = configuration.backbone.width
        backbone = Backbone(scope / "backbone", configuration.backbone)
        roiHead = RoIHead(
            scope / "roi_head", inputs: width, outputs: configuration.maskHead.outputChannels)
        maskHead = MaskHead(scope / "mask_head", inputs: width, configuration.maskHead)
    }

    /// A network for inference from the tensors of a checkpoint, as float32 on `device`.
    ///
    /// - Parameters:
    ///   - parameters: by key without `student.` or `teacher.`. The classification head that
    ///     published backbones carry (`backbone.head.*`) is ignored.
    ///   - factors: as ``ParameterStore/init(loading:device:factors:recorder:)`` takes it.
    ///   - recorder: is told what goes into linear layers and convolutions.
    ///
    /// Throws ``TorchError/parameterMismatch(_:)`` that lists everything that does not fit.
    package init(
        _ configuration: MaskNetworkConfiguration, parameters: [String: Tensor],
        device: Device = .cpu, factors: DType = .float32, recorder: InputRecorder? = nil
    ) throws(TorchError) {
        let used = parameters.filter { !Self.isIgnored($0.key) }
        let store = ParameterStore(
            loading: used, device: device, factors: factors, recorder: recorder)
        self.init(store.root, configuration)
        try store.finishLoading()
    }

    /// Whether a published key is of no use to the network.
    package static func isIgnored(_ key: String) -> Bool {
        key == "backbone.head.weight" || key == "backbone.head.bias"
    }

    /// Mask logits of crops.
    ///
    /// - Parameters:
    ///   - image: (B, 3, S, S) float32, normalised; S a multiple of the token stride.
    ///   - areas: the B boxes' areas in pixels of their images, which pick the size of the maps.
    /// - Returns: (B, 1, 4h, 4h) with h = S / token stride; (B, 1, 8h, 8h) without size buckets.
    ///   Rows whose area is in no bucket are 0.
    package func callAsFunction(image: Tensor, areas: [Float]) -> Tensor {
        precondition(image.rank == 4 && image.size(2) == image.size(3), "image \(image.shape)")
        return logits(features(image), areas: areas)
    }

    /// The backbone's feature map (B, C, h, h) of crops (B, 3, S, S).
    ///
    /// For inference on a CPU it is made of about 2,048 tokens at a time, which keep the processor busy: more
    /// would only take memory.
    package func features(_ image: Tensor) -> Tensor {
        let side = image.size(2) / configuration.backbone.tokenStride
        let count = max(1, 2048 / max(1, side * side))
        let batch = image.size(0)
        guard image.device == .cpu, !gradientsAreRecorded, batch > count else {
            return backbone(image)
        }
        return .concatenated(
            stride(from: 0, to: batch, by: count).map {
                backbone(image.narrowed(0, $0..<min($0 + count, batch)))
            })
    }

    /// Mask logits from the feature map (B, C, h, h).
    ///
    /// - Parameter head: what stands in for ``maskHead``.
    package func logits(
        _ features: Tensor, areas: [Float], head: ((Tensor) -> Tensor)? = nil
    ) -> Tensor {
        precondition(
            features.size(0) == areas.count, "\(areas.count) areas for \(features.shape)")
        let keys = roiHead(features)  // (B, K)
        let head = head ?? maskHead.unpacked(for: features).callAsFunction
        return configuration.adjustsScale
            ? bucketed(features, keys, areas, head) : plain(features, keys, head)
    }

    /// One map size for all objects (SPEC §5.2).
    private func plain(
        _ features: Tensor, _ keys: Tensor, _ head: (Tensor) -> Tensor
    ) -> Tensor {
        let values = head(resized(features, by: configuration.scaleRatioBefore))
        let logits = Self.product(keys, values)
        return resized(logits, by: 4).to(logits.dtype)
    }

    /// A map size by the size of the object (SPEC §5.1).
    private func bucketed(
        _ features: Tensor, _ keys: Tensor, _ areas: [Float], _ head: (Tensor) -> Tensor
    ) -> Tensor {
        let side = features.size(2)
        var parts: [Tensor] = []
        var order: [Int] = []  // the row of the batch that each row of the parts is
        for bucket in SizeBucket.allCases {
            let objects = areas.indices.filter {
                SizeBucket(area: areas[$0], border: .neither) == bucket
            }
            let mapSide = bucket.mapSide(of: side)
            for rows in Self.together(objects, mapSide: mapSide, on: features.device) {
                let isAll = rows.count == areas.count
                let scaled = scaled(isAll ? features : features.rows(rows), mapSide)
                let logits = Self.product(isAll ? keys : keys.rows(rows), head(scaled))
                // Autocast resamples in float32; the logits stay in the type of the product (SPEC §5.4).
                parts.append(resized(logits, height: 4 * side, width: 4 * side).to(logits.dtype))
                order += rows
            }
        }
        let others = areas.indices.filter { SizeBucket(area: areas[$0], border: .neither) == nil }
        if !others.isEmpty {
            let dtype = parts.first?.dtype ?? keys.dtype
            parts.append(
                .zeros([others.count, 1, 4 * side, 4 * side], dtype, device: features.device))
            order += others
        }
        let joined = parts.count == 1 ? parts[0] : .concatenated(parts)
        if order.elementsEqual(areas.indices) { return joined }
        return joined.rows(areas.indices.sorted { order[$0] < order[$1] })
    }

    /// Which objects' maps are in memory together: all, but for inference on a CPU, where 64 × 64 pixels of
    /// maps keep the processor busy and more would only take memory.
    private static func together(_ objects: [Int], mapSide: Int, on device: Device) -> [[Int]] {
        guard device == .cpu, !gradientsAreRecorded else {
            return objects.isEmpty ? [] : [objects]
        }
        let count = max(1, 64 * 64 / (mapSide * mapSide))
        return stride(from: 0, to: objects.count, by: count).map {
            Array(objects[$0..<min($0 + count, objects.count)])
        }
    }

    private func scaled(_ features: Tensor, _ side: Int) -> Tensor {
        let side = Int(Double(side) * configuration.scaleRatioBefore)
        return resized(features, height: side, width: side)
    }

    /// The dot product of an object's key with the value of each pixel.
    ///
    /// - Parameters: keys (n, K), values (n, K, H, W); gives (n, 1, H, W).
    private static func product(_ keys: Tensor, _ values: Tensor) -> Tensor {
        // Channels last, so that the gradient of the values, which are, lies as they do.
        values.permuted(0, 2, 3, 1).flattened(from: 1, to: 2).matmul(keys.unsqueezed(2))
            .reshaped(values.size(0), 1, values.size(2), values.size(3))
    }
}
