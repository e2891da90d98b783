/// How a fresh parameter is filled.
package enum Initializer: Sendable {
    case zeros
    case ones
    case constant(Double)
    /// Normal with this standard deviation.
    case normal(standardDeviation: Double)
    /// Normal with this standard deviation, drawn again outside ±2 (the bounds timm uses, not scaled
    /// by the deviation).
    case truncatedNormal(standardDeviation: Double)
    /// Even in ±1/√inputs: PyTorch's default for weights and biases of linear and convolution layers.
    case uniform(inputs: Int)
    /// Normal with deviation √(2/outputs), where outputs counts every weight one input reaches
    /// (He et al. 2015, "fan out").
    case kaimingNormal(outputs: Int)

    func tensor(_ shape: [Int], using generator: inout Generator) -> Tensor {
        switch self {
        case .zeros: return .zeros(shape)
        case .ones: return .ones(shape)
        case .constant(let value): return .full(shape, value)
        case .normal(let deviation):
            return .drawn(shape) { deviation * generator.normal() }
        case .truncatedNormal(let deviation):
            return .drawn(shape) {
                while true {
                    let value = deviation * generator.normal()
                    if abs(value) <= 2 { return value }
                }
            }
        case .uniform(let inputs):
            let bound = 1 / Double(inputs).squareRoot()
            return .drawn(shape) { bound * (2 * generator.unit() - 1) }
        case .kaimingNormal(let outputs):
            let deviation = (2 / Double(outputs)).squareRoot()
            return .drawn(shape) { deviation * generator.normal() }
        }
    }
}
