import MaskModel
import Torch

// N crops, n crops of one bucket, K channels of key and value, h the side of the feature map.

/// The whole network as a graph: from `image` and `area` to `logits`.
struct MaskGraph {
    let builder: GraphBuilder
    let configuration: MaskNetworkConfiguration
    let settings: ONNXSettings

    /// h
    private var side: Int { settings.cropSize / configuration.backbone.tokenStride }

    func build() {
        let crop = settings.cropSize
        let type: DType = settings.image == .uint8 ? .uint8 : .float32
        let image = builder.addInput(
            "image", type, [.named("N"), .fixed(3), .fixed(crop), .fixed(crop)])
        let area = builder.addInput("area", .float32, [.named("N")])
        let output = configuration.logitsSide(cropSize: crop)
        builder.addOutput(
            "logits", .float32, [.named("N"), .fixed(1), .fixed(output), .fixed(output)])
        let backbone = BackboneGraph(
            builder: builder, configuration: configuration.backbone, side: side)
        let features = backbone(normalized(image))
        let keys = keys(features)
        let logits =
            configuration.adjustsScale
            ? bucketed(features, keys, area) : plain(features, keys)
        builder.output(logits, name: "logits")
    }

    /// 0 to 255 → ImageNet's statistics, in float32.
    private func normalized(_ image: GraphValue) -> GraphValue {
        let image = builder.cast(image, to: .float32, at: "image")
        let mean: [Float] = [0.485, 0.456, 0.406]
        let deviation: [Float] = [0.229, 0.224, 0.225]
        func constant(_ name: String, _ values: [Float]) -> GraphValue {
            builder.constant("image." + name) { Tensor(values.map { $0 * 255 }, [1, 3, 1, 1]) }
        }
        let centred = builder.node("Sub", [image, constant("mean", mean)], at: "image")
        return builder.node("Div", [centred, constant("deviation", deviation)], at: "image")
    }

    /// (N, C, h, h) → (N, 1, K)
    private func keys(_ features: GraphValue) -> GraphValue {
        let scope = "roi_head"
        let mean = builder.reshape(
            builder.node("GlobalAveragePool", [features], at: scope),
            [0, 1, configuration.backbone.width], at: scope)
        let hidden = builder.relu(builder.linear(mean, scope + ".mlp1"), at: scope)
        return builder.cast(builder.linear(hidden, scope + ".mlp2"), to: .float32, at: scope)
    }

    /// The mask head: (n, C, side, side) → (n, K, ·, ·) and its side.
    private func values(
        _ features: GraphValue, side: Int, _ name: String
    ) -> (GraphValue, side: Int) {
        var (x, side) = (features, side)
        for index in 0..<configuration.maskHead.convolutionCount {
            let scope = "mask_head.convs.\(index).conv"
            if index == MaskHead.enlargedBefore {
                let enlarged = Int(Double(side) * configuration.maskHead.scaleRatio)
                x = builder.resize(x, from: side, to: enlarged, at: name)
                side = enlarged
            }
            x = builder.relu(
                builder.convolution(x, scope, kernel: 3, padding: 1), at: scope)
        }
        return (x, side)
    }

    /// The logits (n, 1, ·, ·) of a feature map that is resampled to a side first, and their side.
    private func logits(
        _ features: GraphValue, _ keys: GraphValue, mapSide: Int, _ name: String
    ) -> (GraphValue, side: Int) {
        let before = Int(Double(mapSide) * configuration.scaleRatioBefore)
        let scaled = builder.resize(features, from: side, to: before, at: name)
        let (values, side) = values(scaled, side: before, name)
        // In float32: logits of 16 and more have two digits behind the point in float16.
        let flat = builder.reshape(
            builder.cast(values, to: .float32, at: name),
            [0, configuration.maskHead.outputChannels, side * side], at: name)
        let product = builder.node("MatMul", [keys, flat], at: name)
        return (builder.reshape(product, [0, 1, side, side], at: name), side)
    }

    /// One map size for all crops.
    private func plain(_ features: GraphValue, _ keys: GraphValue) -> GraphValue {
        let (logits, side) = logits(features, keys, mapSide: side, "head")
        return builder.resize(logits, from: side, to: 4 * side, at: "head")
    }

    /// A map size by the box's area: the crops of a bucket are taken together, and put back.
    private func bucketed(
        _ features: GraphValue, _ keys: GraphValue, _ area: GraphValue
    ) -> GraphValue {
        let output = 4 * side
        let count = builder.node("Shape", [area], at: "head", .int64)
        let shape = builder.concatenate(
            [count, builder.integers([1, output, output])], axis: 0, at: "head")
        var all = builder.node(
            "ConstantOfShape", [shape], at: "head", .float32, ["value": .tensor(.zeros([1]))])
        for bucket in SizeBucket.allCases {
            let name = "head.\(bucket)"
            let places = places(of: bucket, area, name)  // (1, n)
            let rows = builder.node("Squeeze", [places, builder.integers([0])], at: name)
            func taken(_ x: GraphValue) -> GraphValue {
                builder.node("Gather", [x, rows], at: name, nil, ["axis": .int(0)])
            }
            let (logits, side) = logits(
                taken(features), taken(keys), mapSide: bucket.mapSide(of: side), name)
            let resized = builder.resize(logits, from: side, to: output, at: name)
            all = builder.node(
                "ScatterND", [all, builder.transpose(places, [1, 0], at: name), resized], at: name)
        }
        return all
    }

    /// The crops of a bucket. Areas of 1024 and 9216 belong to the bucket below, as `mal label` has it; 0 and
    /// what is no number belong to none.
    private func places(
        of bucket: SizeBucket, _ area: GraphValue, _ name: String
    ) -> GraphValue {
        func bound(_ value: Float) -> GraphValue { builder.number(Double(value)) }
        var isIn = builder.node("Greater", [area, bound(bucket.bounds.lower)], at: name, .bool)
        if bucket != SizeBucket.allCases.last {
            let below = builder.node(
                "LessOrEqual", [area, bound(bucket.bounds.upper)], at: name, .bool)
            isIn = builder.node("And", [isIn, below], at: name)
        }
        // TensorRT's `NonZero` takes no booleans.
        return builder.node(
            "NonZero", [builder.cast(isIn, to: .float32, at: name)], at: name, .int64)
    }
}
