/// Adam with decoupled weight decay (Loshchilov & Hutter 2019), as `torch.optim.AdamW`:
/// p ← p·(1 − lr·decay), then the bias-corrected step with epsilon outside the root.
///
/// A parameter without a gradient is left alone altogether: no step, no decay, no state (SPEC §7).
package final class AdamW {
    package struct Configuration: Sendable, Equatable {
        package var betas: [Double]
        package var epsilon: Double
        package var weightDecay: Double

        package init(
            betas: [Double] = [0.9, 0.9], epsilon: Double = 1e-8, weightDecay: Double = 5e-4
        ) {
            precondition(betas.count == 2, "AdamW has two betas, not \(betas.count)")
            self.betas = betas
            self.epsilon = epsilon
            self.weightDecay = weightDecay
        }
    }

    /// What the optimizer knows about one parameter.
    private struct Moments {
        let mean: Tensor
        let square: Tensor
        /// Float32 of shape [], as libtorch's fused step wants it.
        let stepCount: Tensor

        static func fresh(_ parameter: Tensor) -> Self {
            .init(
                mean: .zeros(parameter.shape, device: parameter.device),
                square: .zeros(parameter.shape, device: parameter.device),
                stepCount: .zeros([], device: parameter.device))
        }
    }

    package let configuration: Configuration
    /// The rate of the next ``step()``.
    package var learningRate: Double
    private let parameters: [(name: String, tensor: Tensor)]
    /// What the parameters' steps have in common, and which parameters those are.
    private let groups: [(weightDecay: Double, rateScale: Double, places: [Int])]
    private var moments: [Moments?]
    /// The places of the parameters that ``step()`` moves; nil for all. Another process moves the
    /// rest.
    package var ownPlaces: Set<Int>?

    /// - Parameters:
    ///   - parameters: everything that may be trained, names unique.
    ///   - isDecayed: whether weight decay applies to a parameter; to all by default, as in TAO.
    ///   - rateScale: what a parameter's learning rate is multiplied by.
    package init(
        _ parameters: [(name: String, tensor: Tensor)], learningRate: Double,
        _ configuration: Configuration = .init(),
        isDecayed: (_ name: String, _ tensor: Tensor) -> Bool = { _, _ in true },
        rateScale: (_ name: String) -> Double = { _ in 1 }
    ) {
        precondition(
            Set(parameters.map(\.name)).count == parameters.count, "parameters share a name")
        self.parameters = parameters
        self.learningRate = learningRate
        self.configuration = configuration
        let kinds = parameters.map { name, tensor in
            [isDecayed(name, tensor) ? configuration.weightDecay : 0, rateScale(name)]
        }
        groups = Set(kinds).sorted { $0.lexicographicallyPrecedes($1) }.map { kind in
            (kind[0], kind[1], kinds.indices.filter { kinds[$0] == kind })
        }
        moments = .init(repeating: nil, count: parameters.count)
    }

    /// The gradients there are, in the order of the parameters.
    package var gradients: [Tensor] { parameters.compactMap(\.tensor.gradient) }

    /// Forgets all gradients and their memory.
    package func clearGradients() {
        for (_, tensor) in parameters { tensor.gradient = nil }
    }

    /// Moves every parameter that has a gradient.
    package func step() { step(unless: nil) }

    /// - Parameter isSkipped: float32 of shape [], where the parameters are: 1 leaves them and their moments as they
    ///   are, 0 moves them. So the host need not know.
    package func step(unless isSkipped: Tensor?) {
        withoutGradients {
            let found = parameters.map(\.tensor.gradient)
            for group in groups {
                let places = group.places.filter {
                    found[$0] != nil && ownPlaces?.contains($0) ?? true
                }
                update(
                    places, gradients: places.compactMap { found[$0] },
                    weightDecay: group.weightDecay, rate: learningRate * group.rateScale,
                    unless: isSkipped)
            }
        }
    }

    private func update(
        _ places: [Int], gradients: [Tensor], weightDecay: Double, rate: Double,
        unless isSkipped: Tensor?
    ) {
        guard !places.isEmpty else { return }
        let moments = places.map { place in
            let known = self.moments[place] ?? .fresh(parameters[place].tensor)
            self.moments[place] = known
            return known
        }
        let counts = moments.map(\.stepCount)
        if let isSkipped {
            let one = [Tensor](repeating: 1 - isSkipped, count: counts.count)
            callVoid(ops.foreachAddInPlace, .tensors(counts), .tensors(one))
        } else {
            callVoid(ops.foreachAddInPlaceScalar, .tensors(counts), .double(1))
        }
        callVoid(
            ops.fusedAdamW, .tensors(places.map { parameters[$0].tensor }), .tensors(gradients),
            .tensors(moments.map(\.mean)), .tensors(moments.map(\.square)), .tensors([]),
            .tensors(counts), .double(rate), .double(configuration.betas[0]),
            .double(configuration.betas[1]), .double(weightDecay),
            .double(configuration.epsilon), .bool(false), .bool(false), .none,
            .optional(isSkipped))
    }

    /// Mean, square and step count of the parameter at `place`, the live tensors; empty when it was
    /// not moved yet, unless `makesFresh`.
    package func state(at place: Int, makesFresh: Bool) -> [Tensor] {
        if moments[place] == nil, makesFresh { moments[place] = .fresh(parameters[place].tensor) }
        return moments[place].map { [$0.mean, $0.square, $0.stepCount] } ?? []
    }

    /// Forgets the state of the parameter at `place`.
    package func dropState(at place: Int) { moments[place] = nil }

    /// What the parts of a parameter's state are called.
    package static func stateNames(of parameter: String) -> [String] {
        [".exp_avg", ".exp_avg_sq", ".step"].map { parameter + $0 }
    }

    /// The state by name: `<parameter>.exp_avg`, `.exp_avg_sq` and `.step` (float32, shape []) of each
    /// parameter that was moved. The tensors are the live ones: write them out or clone them before the
    /// next ``step()``.
    package func exportState() -> [(name: String, tensor: Tensor)] {
        zip(parameters, moments).flatMap { parameter, moments in
            moments.map {
                Array(zip(Self.stateNames(of: parameter.name), [$0.mean, $0.square, $0.stepCount]))
            } ?? []
        }
    }

    /// Replaces the state by copies of exported tensors.
    ///
    /// Throws ``TorchError/parameterMismatch(_:)``, and changes nothing, when one is left over, has
    /// another shape than its parameter, or when a parameter has only a part of the three.
    package func importState(_ tensors: [String: Tensor]) throws(TorchError) {
        var mismatch = ParameterMismatch()
        var left = tensors
        let found: [Moments?] = parameters.map { name, parameter in
            let parts = [
                (name + ".exp_avg", parameter.shape), (name + ".exp_avg_sq", parameter.shape),
                (name + ".step", []),
            ].map { ($0, left.removeValue(forKey: $0), $1) }
            guard parts.contains(where: { $0.1 != nil }) else { return nil }
            let fitting = parts.compactMap { key, tensor, shape -> Tensor? in
                guard let tensor else {
                    mismatch.missing.append(key)
                    return nil
                }
                guard tensor.shape == shape else {
                    mismatch.misshaped.append(
                        .init(name: key, expected: shape, found: tensor.shape))
                    return nil
                }
                return tensor.to(.float32).to(parameter.device).cloned()
            }
            guard fitting.count == 3 else { return nil }
            return Moments(mean: fitting[0], square: fitting[1], stepCount: fitting[2])
        }
        mismatch.unexpected = left.keys.sorted()
        if !mismatch.isEmpty { throw .parameterMismatch(mismatch) }
        moments = found
    }
}
