import CTorch

/// An operator of libtorch's dispatcher, looked up by name.
struct Op: Sendable {
    /// The name, below `aten::` unless it says another name space, and after a dot its overload.
    let name: String
    /// Nil when this libtorch has no such operator.
    nonisolated(unsafe) let handle: ct_op?

    init(_ name: String) {
        self.name = name
        let parts = name.split(separator: ".", maxSplits: 1)
        var found: ct_op?
        let status = ct_find(
            name.contains("::") ? String(parts[0]) : "aten::" + parts[0],
            parts.count > 1 ? String(parts[1]) : "", &found)
        handle = status == CT_OK ? found : nil
    }
}

/// Every operator we call. The first use of any looks all of them up.
struct OperatorTable: Sendable {
    let abs = Op("abs")
    let add = Op("add.Tensor")
    let addInPlace = Op("add_.Tensor")
    let addInPlaceScalar = Op("add_.Scalar")
    let addScalar = Op("add.Scalar")
    let affineGrid = Op("affine_grid_generator")
    let amax = Op("amax")
    let amin = Op("amin")
    let backward = Op("_backward")
    let baddbmmInPlace = Op("baddbmm_")
    let batchNorm = Op("batch_norm")
    let bitwiseAnd = Op("bitwise_and.Tensor")
    let bmm = Op("bmm")
    let cat = Op("cat")
    let chunk = Op("chunk")
    let clamp = Op("clamp")
    let clampInPlace = Op("clamp_")
    let clone = Op("clone")
    let contiguous = Op("contiguous")
    let conv2d = Op("conv2d")
    let copyInPlace = Op("copy_")
    let detach = Op("detach")
    let div = Op("div.Tensor")
    let divInPlace = Op("div_.Tensor")
    let divScalar = Op("div.Scalar")
    let empty = Op("empty.memory_format")
    let eigh = Op("linalg_eigh")
    let exp = Op("exp")
    let expand = Op("expand")
    let expInPlace = Op("exp_")
    let eye = Op("eye")
    let flatten = Op("flatten.using_ints")
    let flip = Op("flip")
    let foreachAddInPlace = Op("_foreach_add_.List")
    let foreachAddInPlaceScalar = Op("_foreach_add_.Scalar")
    let foreachLerpInPlaceScalar = Op("_foreach_lerp_.Scalar")
    let foreachMulInPlace = Op("_foreach_mul_.Tensor")
    let foreachNonFiniteAndUnscale = Op("_amp_foreach_non_finite_check_and_unscale_")
    let foreachNorm = Op("_foreach_norm.Scalar")
    let full = Op("full")
    let fusedAttentionChoice = Op("_fused_sdp_choice")
    let fusedAdamW = Op("_fused_adamw_")
    let gelu = Op("gelu")
    let geluInPlace = Op("gelu_")
    let greater = Op("gt.Scalar")
    let gridSampler = Op("grid_sampler")
    let groupNorm = Op("group_norm")
    let indexSelect = Op("index_select")
    let isFinite = Op("isfinite")
    let layerNorm = Op("layer_norm")
    let less = Op("lt.Scalar")
    let linear = Op("linear")
    let log = Op("log")
    let logInPlace = Op("log_")
    let matmul = Op("matmul")
    let maxAlong = Op("max.dim")
    let maximum = Op("maximum")
    let mean = Op("mean.dim")
    let minimum = Op("minimum")
    let mul = Op("mul.Tensor")
    let mulInPlace = Op("mul_.Tensor")
    let mulInto = Op("mul.out")
    let mulScalar = Op("mul.Scalar")
    let multiplyInt8 = Op("onednn::qlinear_pointwise")
    let narrow = Op("narrow")
    let neg = Op("neg")
    let norm = Op("linalg_vector_norm")
    let ones = Op("ones")
    let packInt8 = Op("onednn::qlinear_prepack")
    let permute = Op("permute")
    let pow = Op("pow.Tensor_Scalar")
    let relu = Op("relu")
    let reluInPlace = Op("relu_")
    let reshape = Op("reshape")
    let round = Op("round")
    let scaledDotProductAttention = Op("scaled_dot_product_attention")
    let select = Op("select.int")
    let sigmoid = Op("sigmoid")
    let softmax = Op("softmax.int")
    let solve = Op("linalg_solve")
    let sqrt = Op("sqrt")
    let squeeze = Op("squeeze.dim")
    let stack = Op("stack")
    let sub = Op("sub.Tensor")
    let sum = Op("sum.dim_IntList")
    let sumAll = Op("sum")
    let thresholdBackward = Op("threshold_backward")
    let to = Op("to.device")
    let toDType = Op("to.dtype")
    let transpose = Op("transpose.int")
    let unbind = Op("unbind.int")
    let unfold = Op("im2col")
    let unsqueeze = Op("unsqueeze")
    let upsampleBicubic = Op("upsample_bicubic2d.vec")
    let upsampleBicubicAntialiased = Op("_upsample_bicubic2d_aa.vec")
    let upsampleBilinear = Op("upsample_bilinear2d.vec")
    let upsampleBilinearBackward = Op("upsample_bilinear2d_backward")
    let version = Op("_version")
    let zeroInPlace = Op("zero_")
    let zeros = Op("zeros")
}

let ops = OperatorTable()

/// The names of declared operators that this libtorch does not have: none, says a test.
package func unresolvedOperators() -> [String] {
    Mirror(reflecting: ops).children.compactMap { $0.value as? Op }
        .filter { $0.handle == nil }.map(\.name)
}
