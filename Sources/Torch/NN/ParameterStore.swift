/// The named parameters of a network, made while its layers are built.
///
/// A store either initialises each parameter when a layer asks for it, or takes it from loaded
/// tensors without initialising first. In the second case call ``finishLoading()`` when the network is
/// built, and use the network only if that does not throw.
package final class ParameterStore {
    /// Every parameter by name, in the order the layers asked.
    package private(set) var parameters: [(name: String, tensor: Tensor)] = []
    /// Every buffer by name: what a network remembers and nobody trains, such as running statistics.
    package private(set) var buffers: [(name: String, tensor: Tensor)] = []
    /// Where the parameters are.
    package let device: Device
    /// What the factors of products and convolutions are kept as.
    private let factors: DType
    /// Whether linear layers make int8 of their factors, which they get in float32, and convolutions keep theirs
    /// in float16.
    var roundsFactors: Bool { factors == .int8 }

    /// What watches the inputs of layers that are made here.
    let recorder: InputRecorder?

    private var names: Set<String> = []
    private var source: Source
    private var mismatch = ParameterMismatch()

    private enum Source {
        case initializing(Generator)
        case loading([String: Tensor])
    }

    /// Parameters, then buffers: all that a checkpoint holds.
    package var tensors: [(name: String, tensor: Tensor)] { parameters + buffers }

    /// A store of freshly initialised parameters; the same seed gives the same values everywhere.
    package init(seed: UInt64, device: Device = .cpu) {
        source = .initializing(Generator(seed: seed))
        self.device = device
        factors = .float32
        recorder = nil
    }

    /// A store that takes its parameters from `tensors`, as float32 on `device`, and its buffers.
    ///
    /// - Parameter factors: what weights of linear layers and convolutions are kept as. For inference under
    ///   autocast its own type saves the rounding in every pass, to the same result. `.int8` is for inference
    ///   in host memory.
    package init(
        loading tensors: [String: Tensor], device: Device = .cpu, factors: DType = .float32,
        recorder: InputRecorder? = nil
    ) {
        source = .loading(tensors)
        self.device = device
        self.factors = factors
        self.recorder = recorder
    }

    /// The scope whose names have no prefix.
    package var root: ParameterScope { ParameterScope(store: self, path: "") }

    /// The parameter or buffer called `name`, or nil.
    package subscript(name: String) -> Tensor? {
        names.contains(name) ? tensors.first { $0.name == name }?.tensor : nil
    }

    /// Throws ``TorchError/parameterMismatch(_:)`` with every tensor that was missing, misshaped or
    /// not asked for. Does nothing for a store that initialises.
    package func finishLoading() throws(TorchError) {
        guard case .loading(let left) = source else { return }
        mismatch.unexpected = left.keys.sorted()
        source = .loading([:])
        if !mismatch.isEmpty { throw .parameterMismatch(mismatch) }
    }

    fileprivate func parameter(
        _ name: String, _ shape: [Int], _ initializer: Initializer, isFactor: Bool
    ) -> Tensor {
        let tensor = made(
            name, shape, initializer, isFactor && !roundsFactors ? factors : .float32)
        parameters.append((name, tensor))
        return tensor
    }

    fileprivate func buffer(
        _ name: String, _ shape: [Int], _ initializer: Initializer, _ dtype: DType
    ) -> Tensor {
        let tensor = made(name, shape, initializer, dtype)
        buffers.append((name, tensor))
        return tensor
    }

    private func made(
        _ name: String, _ shape: [Int], _ initializer: Initializer, _ dtype: DType
    ) -> Tensor {
        precondition(names.insert(name).inserted, "two parameters are called \(name)")
        switch source {
        case .initializing(var generator):
            let tensor = initializer.tensor(shape, using: &generator)
            source = .initializing(generator)
            return tensor.to(dtype).to(device)
        case .loading(var tensors):
            // Emptied first, so that removing does not copy the dictionary.
            source = .loading([:])
            defer { source = .loading(tensors) }
            guard let tensor = tensors.removeValue(forKey: name) else {
                mismatch.missing.append(name)
                return .placeholder(shape, dtype)
            }
            guard tensor.shape == shape else {
                mismatch.misshaped.append(
                    .init(name: name, expected: shape, found: tensor.shape))
                return .placeholder(shape, dtype)
            }
            return tensor.to(dtype).to(device)
        }
    }
}

/// A place in a ``ParameterStore``; its path is the prefix of the published checkpoint keys.
package struct ParameterScope {
    package let store: ParameterStore
    package let path: String

    /// The scope one name below.
    package static func / (scope: ParameterScope, name: String) -> ParameterScope {
        ParameterScope(store: scope.store, path: scope.key(name))
    }

    /// The scope of element `index` of a list.
    package static func / (scope: ParameterScope, index: Int) -> ParameterScope {
        scope / String(index)
    }

    /// Makes the parameter `name` here. Traps when there is one already.
    ///
    /// - Parameter isFactor: whether it goes into products and convolutions alone.
    package func parameter(
        _ name: String, _ shape: [Int], _ initializer: Initializer, isFactor: Bool = false
    ) -> Tensor {
        store.parameter(key(name), shape, initializer, isFactor: isFactor)
    }

    /// Makes the buffer `name` here. Traps when there is one already.
    package func buffer(
        _ name: String, _ shape: [Int], _ initializer: Initializer, _ dtype: DType = .float32
    ) -> Tensor {
        store.buffer(key(name), shape, initializer, dtype)
    }

    private func key(_ name: String) -> String { path.isEmpty ? name : path + "." + name }
}
