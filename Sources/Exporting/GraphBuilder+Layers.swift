import Torch

/// The layers of our networks in standard operators. Scopes are those of the parameters.
extension GraphBuilder {
    /// Values of different type become float32 for it, as in ``multiply(_:_:at:)``.
    func add(_ a: GraphValue, _ b: GraphValue, at scope: String) -> GraphValue {
        node("Add", promoted([a, b], at: scope), at: scope)
    }

    func multiply(_ a: GraphValue, _ b: GraphValue, at scope: String) -> GraphValue {
        node("Mul", promoted([a, b], at: scope), at: scope)
    }

    private func promoted(_ values: [GraphValue], at scope: String) -> [GraphValue] {
        values.allSatisfy { $0.dtype == values[0].dtype }
            ? values : values.map { cast($0, to: .float32, at: scope) }
    }

    /// - Parameter shape: 0 keeps a size as it is.
    func reshape(_ x: GraphValue, _ shape: [Int], at scope: String) -> GraphValue {
        node("Reshape", [x, integers(shape)], at: scope)
    }

    func transpose(_ x: GraphValue, _ order: [Int], at scope: String) -> GraphValue {
        node("Transpose", [x], at: scope, nil, ["perm": .ints(order)])
    }

    func slice(_ x: GraphValue, axis: Int, _ range: Range<Int>, at scope: String) -> GraphValue {
        let (start, end) = (integers([range.lowerBound]), integers([range.upperBound]))
        return node("Slice", [x, start, end, integers([axis])], at: scope)
    }

    /// Parts of the same size.
    func split(_ x: GraphValue, axis: Int, into count: Int, of size: Int, at scope: String)
        -> [GraphValue]
    {
        let sizes = integers(Array(repeating: size, count: count))
        return nodes("Split", [x, sizes], at: scope, nil, ["axis": .int(axis)], count: count)
    }

    func concatenate(_ parts: [GraphValue], axis: Int, at scope: String) -> GraphValue {
        node("Concat", parts, at: scope, nil, ["axis": .int(axis)])
    }

    func sum(_ x: GraphValue, axis: Int, keeping: Bool, at scope: String) -> GraphValue {
        node(
            "ReduceSum", [x, integers([axis])], at: scope, nil, ["keepdims": .int(keeping ? 1 : 0)])
    }

    func softmax(_ x: GraphValue, axis: Int, at scope: String) -> GraphValue {
        node("Softmax", [x], at: scope, nil, ["axis": .int(axis)])
    }

    func cast(_ x: GraphValue, to dtype: DType, at scope: String) -> GraphValue {
        x.dtype == dtype
            ? x
            : node(
                "Cast", [x], at: scope, dtype,
                ["to": .int(Mal_Onnx_Tensor.DataType(dtype).rawValue)])
    }

    /// x (…, inputs) → (…, outputs)
    func linear(_ x: GraphValue, _ scope: String) -> GraphValue {
        let product = node("MatMul", factors(x, of: scope, isTransposed: true), at: scope)
        return add(product, factor(scope + ".bias"), at: scope)
    }

    func convolution(
        _ x: GraphValue, _ scope: String, kernel: Int, stride: Int = 1, padding: Int = 0,
        groups: Int = 1
    ) -> GraphValue {
        let bias = has(scope + ".bias") ? [factor(scope + ".bias")] : []
        return node(
            "Conv", factors(x, of: scope) + bias, at: scope, nil,
            [
                "kernel_shape": .ints([kernel, kernel]), "strides": .ints([stride, stride]),
                "pads": .ints([padding, padding, padding, padding]), "group": .int(groups),
            ])
    }

    /// Over the last dimension, biased variance.
    func layerNorm(
        _ x: GraphValue, _ scope: String, epsilon: Double = 1e-6, weight own: GraphValue? = nil
    ) -> GraphValue {
        node(
            "LayerNormalization",
            [
                cast(x, to: .float32, at: scope), own ?? weight(scope + ".weight"),
                weight(scope + ".bias"),
            ], at: scope, nil, ["axis": .int(-1), "epsilon": .float(epsilon)])
    }

    /// With the running statistics.
    func batchNorm(_ x: GraphValue, _ scope: String) -> GraphValue {
        let inputs = ["weight", "bias", "running_mean", "running_var"].map {
            weight(scope + "." + $0)
        }
        return node(
            "BatchNormalization", [cast(x, to: .float32, at: scope)] + inputs, at: scope, nil,
            ["epsilon": .float(1e-5)])
    }

    /// x·Φ(x) in the form that runtimes know and fuse.
    func gelu(_ x: GraphValue, at scope: String) -> GraphValue {
        func number(_ value: Double) -> GraphValue { self.number(value, x.dtype) }
        let share = node("Erf", [node("Div", [x, number(2.0.squareRoot())], at: scope)], at: scope)
        return multiply(
            multiply(x, add(share, number(1), at: scope), at: scope), number(0.5), at: scope)
    }

    func relu(_ x: GraphValue, at scope: String) -> GraphValue { node("Relu", [x], at: scope) }

    /// The parts of attention: q, k, v (B, N, C) → (B, N, C).
    func attention(
        _ q: GraphValue, _ k: GraphValue, _ v: GraphValue, headCount: Int, width: Int,
        at scope: String
    ) -> GraphValue {
        let size = width / headCount
        func heads(_ x: GraphValue, _ order: [Int]) -> GraphValue {
            transpose(reshape(x, [0, 0, headCount, size], at: scope), order, at: scope)
        }
        let queries = multiply(
            heads(q, [0, 2, 1, 3]), number(1 / Double(size).squareRoot(), q.dtype), at: scope)
        let weights = softmax(
            node("MatMul", [queries, heads(k, [0, 2, 3, 1])], at: scope), axis: 3, at: scope)
        let mixed = node("MatMul", [weights, heads(v, [0, 2, 1, 3])], at: scope)
        return reshape(transpose(mixed, [0, 2, 1, 3], at: scope), [0, 0, width], at: scope)
    }

    /// Bilinear resampling of a square map (B, C, from, from), which is itself when the size stays.
    func resize(_ x: GraphValue, from: Int, to: Int, at scope: String) -> GraphValue {
        guard from != to else { return x }
        // Runtimes compute the size as ⌊from · scale⌋ in float32.
        var scale = Float(to) / Float(from)
        while (Float(from) * scale).rounded(.down) < Float(to) { scale = scale.nextUp }
        let scales = constant("scales/\(from)_\(to)") {
            Tensor([1, 1, scale, scale] as [Float], [4])
        }
        let none = GraphValue(name: "", dtype: x.dtype)
        return node(
            "Resize", [x, none, scales], at: scope, nil,
            ["mode": .text("linear"), "coordinate_transformation_mode": .text("half_pixel")])
    }
}
