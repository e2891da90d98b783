import TestSupport
import Testing
import Torch

@Suite struct ParameterStoreTests {
    @Test("the path of a scope is the key, in the order of building")
    func names() {
        let store = ParameterStore(seed: 1)
        _ = Linear(store.root / "blocks" / 0 / "fc1", inputs: 2, outputs: 3)
        _ = LayerNorm(store.root / "norm", width: 2)
        #expect(
            store.parameters.map(\.name) == [
                "blocks.0.fc1.weight", "blocks.0.fc1.bias", "norm.weight", "norm.bias",
            ])
        #expect(store["norm.weight"]?.floats() == [1, 1])
        #expect(store["nothing"] == nil)
    }

    @Test("a repeated name ends the process")
    func repeated() async {
        await #expect(processExitsWith: .failure) {
            let store = ParameterStore(seed: 1)
            _ = LayerNorm(store.root, width: 2)
            _ = LayerNorm(store.root, width: 2)
        }
    }

    @Test("factors are kept in the type of the products, to the same result under autocast")
    func factors() {
        var generator = Generator(seed: 5)
        func drawn(_ shape: Int...) -> Tensor {
            .drawn(shape) { Double(generator.next() >> 40) / 1e7 - 0.8 }
        }
        let values = [
            "fc.weight": drawn(3, 5), "fc.bias": drawn(3), "norm.weight": drawn(3),
            "norm.bias": drawn(3),
        ]
        let x = drawn(2, 5)
        let results = [DType.float32, .bfloat16].map { factors in
            let store = ParameterStore(loading: values, factors: factors)
            let fc = Linear(store.root / "fc", inputs: 5, outputs: 3)
            let norm = LayerNorm(store.root / "norm", width: 3)
            #expect(fc.weight.dtype == factors && norm.weight.dtype == .float32)
            return withoutGradients {
                autocast(.bfloat16, on: .cpu) { norm(fc(x)) }.to(.float32).floats()
            }
        }
        #expect(results[0] == results[1])
    }

    @Test("the same seed gives the same parameters")
    func seeds() {
        func weight(_ seed: UInt64) -> [Float] {
            Linear(ParameterStore(seed: seed).root, inputs: 4, outputs: 4).weight.floats()
        }
        #expect(weight(3) == weight(3))
        #expect(weight(3) != weight(4))
    }

    @Test("fresh values spread as their initializer says")
    func initializers() {
        let scope = ParameterStore(seed: 2).root
        func spread(_ name: String, _ initializer: Initializer) -> (Float, Float) {
            let tensor = scope.parameter(name, [100, 100], initializer)
            return (tensor.squared().mean().sqrt().item(), tensor.abs().amax().item())
        }
        let truncated = spread("a", .truncatedNormal(standardDeviation: 0.02))
        #expect(abs(truncated.0 - 0.02) < 0.001)
        #expect(spread("b", .truncatedNormal(standardDeviation: 10)).1 <= 2)
        let uniform = spread("c", .uniform(inputs: 25))
        #expect(uniform.1 <= 0.2 && uniform.1 > 0.199)
        #expect(abs(spread("d", .kaimingNormal(outputs: 200)).0 - 0.1) < 0.005)
        #expect(spread("e", .constant(0.5)) == (0.5, 0.5))
    }

    @Test("loading takes half-precision tensors as float32")
    func loading() throws {
        let store = ParameterStore(loading: [
            "weight": Tensor.ones([2]).to(.float16), "bias": .zeros([2]),
        ])
        let norm = LayerNorm(store.root, width: 2)
        try store.finishLoading()
        #expect(norm.weight.dtype == .float32)
        #expect(norm.weight.floats() == [1, 1])
    }

    @Test("missing, unexpected and misshaped tensors are thrown together")
    func strict() {
        let store = ParameterStore(loading: ["weight": .ones([3]), "wait": .ones([1])])
        _ = LayerNorm(store.root, width: 2)
        let mismatch = ParameterMismatch(
            missing: ["bias"], unexpected: ["wait"],
            misshaped: [.init(name: "weight", expected: [2], found: [3])])
        #expect(throws: TorchError.parameterMismatch(mismatch)) { try store.finishLoading() }
        #expect(
            mismatch.description == """
                the tensors do not fit the network
                  missing (1): bias
                  unexpected (1): wait
                  wrong shape (1): weight (expected [2], found [3])
                """)
    }

    @Test("buffers lie beside the parameters, keep their type and are loaded as strictly")
    func buffers() throws {
        let fresh = ParameterStore(seed: 1)
        _ = BatchNorm(fresh.root / "bn", channels: 2)
        #expect(fresh.parameters.map(\.name) == ["bn.weight", "bn.bias"])
        #expect(
            fresh.buffers.map(\.name)
                == ["bn.running_mean", "bn.running_var", "bn.num_batches_tracked"])
        #expect(fresh["bn.num_batches_tracked"]?.dtype == .int64)
        var tensors = Dictionary(uniqueKeysWithValues: fresh.tensors.map { ($0.name, $0.tensor) })
        tensors["bn.num_batches_tracked"] = Tensor(integers: [16_777_217], [])
        let loaded = ParameterStore(loading: tensors)
        _ = BatchNorm(loaded.root / "bn", channels: 2)
        try loaded.finishLoading()
        // One more than float32 can count.
        #expect(loaded["bn.num_batches_tracked"]?.integers() == [16_777_217])
        tensors["bn.running_var"] = nil
        let partial = ParameterStore(loading: tensors)
        _ = BatchNorm(partial.root / "bn", channels: 2)
        #expect(
            throws: TorchError.parameterMismatch(ParameterMismatch(missing: ["bn.running_var"]))
        ) { try partial.finishLoading() }
    }
}
