import CTorch

// B batch, N tokens, C channels, D width of an attention head, H and W.

/// y = x·wᵀ + b over the last dimension.
package func linear(_ x: Tensor, weight: Tensor, bias: Tensor?) -> Tensor {
    roundedOnCPU(x, weight, bias) { x, weight, bias in
        call(ops.linear, .tensor(x), .tensor(weight), .optional(bias))
    }
}

/// A product under autocast to float16 in host memory: factors and result are rounded to float16 and sums are
/// float32, as on GPUs. Few CPUs have units for float16, and on the others libtorch takes seconds for a convolution.
private func roundedOnCPU(
    _ x: Tensor, _ weight: Tensor, _ bias: Tensor?,
    _ product: (Tensor, Tensor, Tensor?) -> Tensor
) -> Tensor {
    guard x.device == .cpu, autocastIsOn(for: .cpu),
        ct_autocast_dtype(Device.cpu.type) == DType.float16.rawValue
    else { return product(x, weight, bias) }
    func rounded(_ tensor: Tensor) -> Tensor { tensor.to(.float16).to(.float32) }
    return autocast(.float32, on: .cpu) {
        product(rounded(x), rounded(weight), bias.map(rounded))
    }.to(.float16)
}

/// - Parameters:
///   - x: (B, C, H, W)
///   - weight: (outputs, C / groups, kernel height, kernel width)
///   - groups: equal parts of the channels that do not see each other.
package func conv2d(
    _ x: Tensor, weight: Tensor, bias: Tensor?, stride: Int = 1, padding: Int = 0, groups: Int = 1
) -> Tensor {
    roundedOnCPU(x, weight, bias) { x, weight, bias in
        call(
            ops.conv2d, .tensor(x), .tensor(weight), .optional(bias), .int(stride), .int(padding),
            .standard, .int(groups)
        ) {
            func extent(_ dimension: Int) -> Int {
                max(0, (x.size(dimension) + 2 * padding - weight.size(dimension)) / stride + 1)
            }
            return [x.size(0), weight.size(0), extent(2), extent(3)]
        }
    }
}

/// Normalises the last dimension with its biased variance.
package func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Double) -> Tensor {
    call(
        ops.layerNorm, .tensor(x), .ints([weight.size(0)]), .tensor(weight), .tensor(bias),
        .double(epsilon))
}

/// Normalises `groups` groups of channels of x (B, C, H, W) over channels and positions.
package func groupNorm(
    _ x: Tensor, groups: Int, weight: Tensor, bias: Tensor, epsilon: Double
) -> Tensor {
    call(
        ops.groupNorm, .tensor(x), .int(groups), .tensor(weight), .tensor(bias), .double(epsilon))
}

/// x·Φ(x) with the exact error function.
package func gelu(_ x: Tensor) -> Tensor { call(ops.gelu, .tensor(x)) }

/// `gelu` that overwrites its argument when no gradient is recorded, to save memory.
package func gelu(consuming x: Tensor) -> Tensor {
    gradientsAreRecorded ? gelu(x) : call(ops.geluInPlace, .tensor(x))
}

package func relu(_ x: Tensor) -> Tensor { call(ops.relu, .tensor(x)) }

/// `relu` that overwrites its argument, to save memory and a pass over it. Its backward pass needs the
/// result alone; `x` must come from an operator whose backward pass does without its own result.
package func relu(consuming x: Tensor) -> Tensor { call(ops.reluInPlace, .tensor(x)) }

/// The gradient of ReLU's argument from that of its result, and the result.
package func reluGradient(_ gradient: Tensor, ofResult result: Tensor) -> Tensor {
    call(ops.thresholdBackward, .tensor(gradient), .tensor(result), .double(0))
}

/// The gradient of the argument, of the given shape, of bilinear
/// ``interpolate(_:height:width:_:scale:)`` from that of its result.
package func bilinearGradient(_ gradient: Tensor, ofInput shape: [Int]) -> Tensor {
    call(
        ops.upsampleBilinearBackward, .tensor(gradient),
        .ints([gradient.size(2), gradient.size(3)]), .ints(shape), .bool(false), .none, .none)
}

/// x + y, written into x when no gradient is recorded.
package func sum(consuming x: Tensor, _ y: Tensor) -> Tensor {
    gradientsAreRecorded ? x + y : x.add(y)
}

/// x · y, written into x when no gradient is recorded.
package func product(consuming x: Tensor, _ y: Tensor) -> Tensor {
    gradientsAreRecorded || x.dtype != y.dtype ? x * y : x.multiply(by: y)
}

/// softmax(q·kᵀ/√D)·v; libtorch picks its fused kernel where one fits.
///
/// - Parameters: q, k, v: (B, heads, N, D)
package func attention(_ q: Tensor, _ k: Tensor, _ v: Tensor) -> Tensor {
    call(ops.scaledDotProductAttention, .tensor(q), .tensor(k), .tensor(v)) {
        q.shape.dropLast() + [v.size(-1)]
    }
}

/// What computes ``attention(_:_:_:)`` of these tensors.
package enum AttentionKernel: Int, Sendable {
    /// Two products with all weights in memory between them.
    case math = 0
    case flash = 1
    case efficient = 2
    case cuDNN = 3
}

/// libtorch's choice; nil for one that has no name here.
package func attentionKernel(_ q: Tensor, _ k: Tensor, _ v: Tensor) -> AttentionKernel? {
    AttentionKernel(
        rawValue: callInt(ops.fusedAttentionChoice, .tensor(q), .tensor(k), .tensor(v)))
}

/// How ``interpolate(_:height:width:_:scale:)`` weighs its neighbours. Pixel centres are at one half.
package enum Interpolation: Sendable {
    /// Two neighbours a side, also when shrinking.
    case bilinear
    /// Keys' cubic with a = -0.75, edges repeated, also when shrinking.
    case bicubic
    /// Keys' cubic with a = -0.5, its support widened when shrinking.
    case bicubicAntialiased
}

/// Resamples x (B, C, H, W) to `height` × `width`.
///
/// - Parameter scale: output over input size for placing the samples, when it is not the ratio of
///   the sizes; `height` and `width` must be what it gives. Bicubic only.
package func interpolate(
    _ x: Tensor, height: Int, width: Int, _ interpolation: Interpolation, scale: Double? = nil
) -> Tensor {
    let op =
        switch interpolation {
        case .bilinear: ops.upsampleBilinear
        case .bicubic: ops.upsampleBicubic
        case .bicubicAntialiased: ops.upsampleBicubicAntialiased
        }
    if let scale {
        let result = call(op, .tensor(x), .none, .bool(false), .doubles([scale, scale]))
        precondition(
            result.size(2) == height && result.size(3) == width,
            "scale \(scale) gives \(result.shape), not \(height) × \(width)")
        return result
    }
    return call(op, .tensor(x), .ints([height, width]), .bool(false), .none)
}

/// Where ``sampled(_:grid:)`` looks, (B, H, W, 2) from −1 to 1 over the image, for affine maps (B, 2, 3).
///
/// - Parameter shape: (B, C, H, W)
package func affineGrid(_ maps: Tensor, shape: [Int]) -> Tensor {
    call(ops.affineGrid, .tensor(maps), .ints(shape), .bool(false)) {
        [shape[0], shape[2], shape[3], 2]
    }
}

/// x (B, C, ·, ·) at the places of a grid (B, H, W, 2), bilinear, zeros outside: (B, C, H, W).
package func sampled(_ x: Tensor, grid: Tensor) -> Tensor {
    call(ops.gridSampler, .tensor(x), .tensor(grid), .int(0), .int(0), .bool(false)) {
        [x.size(0), x.size(1), grid.size(1), grid.size(2)]
    }
}

/// The kernel × kernel neighbourhood of every position of x (B, C, H, W), zeros outside:
/// (B, C · kernel², H · W).
package func unfold(_ x: Tensor, kernel: Int) -> Tensor {
    let padding = kernel / 2
    return call(
        ops.unfold, .tensor(x), .ints([kernel, kernel]), .ints([1, 1]),
        .ints([padding, padding]), .ints([1, 1])
    ) { [x.size(0), x.size(1) * kernel * kernel, x.size(2) * x.size(3)] }
}
