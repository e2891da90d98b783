import Torch

/// y = x·wᵀ + b, of a network that is being made.
struct LinearMap {
    /// (outputs, inputs)
    var weight: Tensor
    /// (outputs)
    var bias: Tensor

    func callAsFunction(_ x: Tensor) -> Tensor { linear(x, weight: weight, bias: bias) }
}

extension LinearMap {
    init(_ layer: Linear) {
        self.init(weight: layer.weight, bias: layer.bias ?? .zeros([layer.weight.size(0)]))
    }

    static func zeros(inputs: Int, outputs: Int, _ device: Device) -> LinearMap {
        .init(
            weight: .zeros([outputs, inputs], device: device),
            bias: .zeros([outputs], device: device))
    }

    /// Of this map's inputs and outputs some.
    func keeping(rows: [Int]? = nil, columns: [Int]? = nil) -> LinearMap {
        var result = self
        if let rows { result = .init(weight: weight.rows(rows), bias: bias.rows(rows)) }
        if let columns { result.weight = result.weight.columns(columns) }
        return result
    }
}

extension Tensor {
    /// Of a matrix the columns in this order; a copy.
    func columns(_ columns: [Int]) -> Tensor {
        transposed(0, 1).rows(columns).transposed(0, 1).contiguous()
    }
}

/// The linear map that is nearest to targets, which come in batches, and to a first guess.
struct LeastSquares {
    private let guess: LinearMap
    private let hasBias: Bool
    /// What the guess weighs, as a share of the inputs' mean square.
    private let ridge: Double
    /// xᵀx and xᵀ(y − guess(x)) in float64 on the CPU, where x ends in a 1 for the bias.
    private var products: Tensor?
    private var moments: Tensor?

    init(_ guess: LinearMap, hasBias: Bool = true, ridge: Double = 1e-3) {
        self.guess = guess
        self.hasBias = hasBias
        self.ridge = ridge
    }

    /// - Parameters: inputs (…, n) and targets (…, m).
    mutating func add(_ inputs: Tensor, _ targets: Tensor) {
        let rest = (targets - guess(inputs)).reshaped(-1, targets.size(-1))
        var x = inputs.reshaped(-1, inputs.size(-1))
        if hasBias {
            x = .concatenated([x, .ones([x.size(0), 1], device: x.device)], along: 1)
        }
        func sum(_ sum: Tensor?, _ y: Tensor) -> Tensor {
            let more = x.transposed(0, 1).matmul(y).to(.cpu).to(.float64)
            return sum.map { $0.add(more) } ?? more
        }
        (products, moments) = (sum(products, x), sum(moments, rest))
    }

    func solution() -> LinearMap {
        guard let products, let moments else { return guess }
        let count = products.size(0)
        let identity = Tensor.identity(count, .float64)
        let mean = (products * identity).sum() / Double(count)
        let found = (products + identity * (mean * ridge)).solved(for: moments)
            .to(.float32).to(guess.weight.device).transposed(0, 1)  // (m, n + 1)
        let inputs = guess.weight.size(1)
        return LinearMap(
            weight: guess.weight + found.narrowed(1, 0..<inputs),
            bias: hasBias ? guess.bias + found.selecting(1, inputs) : guess.bias)
    }
}

/// Sums by channel, and of squares.
struct ChannelSums {
    private var count = 0
    private var sums: Tensor?
    private var squareSums: Tensor?

    /// - Parameter x: (…, channels)
    mutating func add(_ x: Tensor) {
        let rows = x.reshaped(-1, x.size(-1))
        count += rows.size(0)
        let (sum, squares) = (rows.sum(0).to(.float64), rows.squared().sum(0).to(.float64))
        sums = sums.map { $0.add(sum) } ?? sum
        squareSums = squareSums.map { $0.add(squares) } ?? squares
    }

    /// Mean squares, and around the mean.
    var meanSquares: Tensor { (squareSums ?? .zeros([0])) / Double(max(count, 1)) }
    var variances: Tensor {
        meanSquares - ((sums ?? .zeros([0])) / Double(max(count, 1))).squared()
    }
}
