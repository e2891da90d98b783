import Foundation
import Torch

/// A value in an ONNX graph: an input, a weight, a constant or what a node gives.
struct GraphValue {
    let name: String
    let dtype: DType
}

/// Collects an ONNX graph's nodes and weights.
///
/// Nodes are called `SCOPE/Operator` after the scope of the parameters that they use, weights as their
/// parameters. Constants begin with `const/`.
final class GraphBuilder {
    enum AttributeValue {
        case int(Int)
        case ints([Int])
        case float(Double)
        case text(String)
        case tensor(Tensor)
    }

    private(set) var graph = Mal_Onnx_Graph()
    private let weights: [String: Tensor]
    private var namesUsed: Set<String> = []
    private var weightsUsed: Set<String> = []
    /// What products and convolutions compute in; all else is float32.
    private let factors: DType
    /// What a step of int8 stands for in the input of a layer, by its scope.
    private let steps: [String: Float]

    /// - Parameter weights: by parameter name, in float32.
    init(weights: [String: Tensor], factors: DType, steps: [String: Float] = [:]) {
        self.weights = weights
        self.factors = factors
        self.steps = steps
    }

    // MARK: Values

    func addInput(_ name: String, _ dtype: DType, _ shape: [GraphSize]) -> GraphValue {
        graph.input.append(.init(name: name, dtype, shape))
        return GraphValue(name: name, dtype: dtype)
    }

    func addOutput(_ name: String, _ dtype: DType, _ shape: [GraphSize]) {
        graph.output.append(.init(name: name, dtype, shape))
    }

    /// A parameter as it is.
    func weight(_ name: String) -> GraphValue {
        initializer(name, .float32) { self.tensor(name) }
    }

    /// What goes into a product or a convolution.
    ///
    /// - Parameter isTransposed: (outputs, inputs) becomes (inputs, outputs), for a product from the right.
    func factor(_ name: String, isTransposed: Bool = false) -> GraphValue {
        let stored = isTransposed ? name + ONNXCheckpoint.transposedSuffix : name
        return initializer(stored, factors) {
            let tensor = self.tensor(name).to(self.factors)
            return isTransposed ? tensor.transposed(0, 1).contiguous() : tensor
        }
    }

    /// As what products and convolutions take.
    func factor(_ x: GraphValue, at scope: String) -> GraphValue { cast(x, to: factors, at: scope) }

    /// What goes into the product or convolution of a layer: its input and its weight, both rounded to int8 where the
    /// layer computes in that. Runtimes join the rounding with the product.
    func factors(
        _ x: GraphValue, of scope: String, isTransposed: Bool = false
    ) -> [GraphValue] {
        guard let step = steps[scope] else {
            return [
                factor(x, at: scope), factor(scope + ".weight", isTransposed: isTransposed),
            ]
        }
        let zero = constant("int8/0", .int8) { .zeros([], .int8) }
        let size = constant(scope + ".step") { Tensor([step] as [Float], []) }
        let rounded = node("QuantizeLinear", [x, size, zero], at: scope, .int8)
        return [
            node("DequantizeLinear", [rounded, size, zero], at: scope, .float32),
            int8Weight(scope, isTransposed: isTransposed),
        ]
    }

    /// A layer's weight, with a step for each output.
    private func int8Weight(_ scope: String, isTransposed: Bool) -> GraphValue {
        let name = scope + ".weight"
        let weight = tensor(name)
        let rows = weight.flattened(from: 1)
        let steps = Tensor.maximum(
            rows.abs().amax(1) / Double(Int8Layers.weightReach), .full([1], 1e-30))
        let stored = isTransposed ? name + ONNXCheckpoint.transposedSuffix : name
        let rounded = initializer(stored, .int8) {
            let whole = (rows / steps.unsqueezed(1)).rounded().to(.int8)
                .reshaped(weight.shape)
            return isTransposed ? whole.transposed(0, 1).contiguous() : whole
        }
        let sizes = constant(name + ".steps") { steps }
        let zeros = constant("int8/0/\(steps.count)", .int8) { .zeros([steps.count], .int8) }
        return node(
            "DequantizeLinear", [rounded, sizes, zeros], at: scope, .float32,
            ["axis": .int(isTransposed ? 1 : 0)])
    }

    func has(_ name: String) -> Bool { weights[name] != nil }

    private func tensor(_ name: String) -> Tensor {
        guard let tensor = weights[name] else { preconditionFailure("no parameter \(name)") }
        weightsUsed.insert(name)
        return tensor
    }

    /// What no node uses, such as a class token's attention, in the order of names.
    var unusedWeights: [Mal_Onnx_Tensor] {
        weights.filter { !weightsUsed.contains($0.key) }.sorted { $0.key < $1.key }
            .map { .init(name: $0.key, $0.value) }
    }

    /// Whole numbers: shapes, axes, places.
    func integers(_ values: [Int]) -> GraphValue {
        let name = "i64/" + values.map(String.init).joined(separator: "_")
        return constant(name, .int64) { Tensor(integers: values.map(Int64.init), [values.count]) }
    }

    /// A number of a type.
    func number(_ value: Double, _ dtype: DType = .float32) -> GraphValue {
        constant("\(dtype)/\(value)", dtype) { Tensor([Float(value)] as [Float], []).to(dtype) }
    }

    /// Numbers that belong to a place in the network.
    func constant(
        _ name: String, _ dtype: DType = .float32, _ make: () -> Tensor
    ) -> GraphValue {
        initializer(ONNXCheckpoint.constantPrefix + name, dtype) { make().contiguous() }
    }

    private func initializer(
        _ name: String, _ dtype: DType, _ make: () -> Tensor
    ) -> GraphValue {
        if namesUsed.insert(name).inserted {
            graph.initializer.append(.init(name: name, make()))
        }
        return GraphValue(name: name, dtype: dtype)
    }

    // MARK: Nodes

    /// - Parameter dtype: of the value; nil for that of the first input.
    func node(
        _ op: String, _ inputs: [GraphValue], at scope: String, _ dtype: DType? = nil,
        _ attributes: KeyValuePairs<String, AttributeValue> = [:]
    ) -> GraphValue {
        nodes(op, inputs, at: scope, dtype, attributes, count: 1)[0]
    }

    func nodes(
        _ op: String, _ inputs: [GraphValue], at scope: String, _ dtype: DType? = nil,
        _ attributes: KeyValuePairs<String, AttributeValue> = [:], count: Int
    ) -> [GraphValue] {
        let name = unused(scope + "/" + op)
        let outputs = count == 1 ? [name] : (0..<count).map { "\(name)/\($0)" }
        add(op, inputs, name: name, outputs: outputs, attributes)
        return outputs.map { GraphValue(name: $0, dtype: dtype ?? inputs[0].dtype) }
    }

    /// Gives a value the name of an output.
    func output(_ x: GraphValue, name: String) {
        add("Identity", [x], name: unused(name + "/Identity"), outputs: [name], [:])
    }

    private func add(
        _ op: String, _ inputs: [GraphValue], name: String, outputs: [String],
        _ attributes: KeyValuePairs<String, AttributeValue>
    ) {
        var node = Mal_Onnx_Node()
        node.opType = op
        node.name = name
        node.input = inputs.map(\.name)
        node.output = outputs
        node.attribute = attributes.map { .init(name: $0.key, $0.value) }
        graph.node.append(node)
    }

    private func unused(_ name: String) -> String {
        var result = name
        var count = 1
        while !namesUsed.insert(result).inserted {
            count += 1
            result = "\(name)_\(count)"
        }
        return result
    }
}

/// A size in a shape of the graph: a number, or one that each call chooses.
enum GraphSize {
    case fixed(Int)
    case named(String)
}

extension Mal_Onnx_ValueInfo {
    init(name: String, _ dtype: DType, _ shape: [GraphSize]) {
        self.init()
        self.name = name
        type.tensorType.elemType = .init(dtype)
        type.tensorType.shape.dim = shape.map { size in
            var dimension = Mal_Onnx_Shape.Dimension()
            switch size {
            case .fixed(let count): dimension.dimValue = Int64(count)
            case .named(let name): dimension.dimParam = name
            }
            return dimension
        }
    }
}

extension Mal_Onnx_Attribute {
    fileprivate init(name: String, _ value: GraphBuilder.AttributeValue) {
        self.init()
        self.name = name
        switch value {
        case .int(let number): (i, type) = (Int64(number), .int)
        case .ints(let numbers): (ints, type) = (numbers.map(Int64.init), .ints)
        case .float(let number): (f, type) = (Float(number), .float)
        case .text(let text): (s, type) = (Data(text.utf8), .string)
        case .tensor(let tensor): (t, type) = (.init(name: "", tensor), .tensor)
        }
    }
}

extension Mal_Onnx_Tensor {
    init(name: String, _ tensor: Tensor) {
        self.init()
        self.name = name
        dims = tensor.shape.map(Int64.init)
        dataType = DataType(tensor.dtype)
        rawData = StoredTensor(name: name, tensor).withContiguousBytes { Data($0) }
    }
}

extension Mal_Onnx_Tensor.DataType {
    init(_ dtype: DType) {
        switch dtype {
        case .float32: self = .float
        case .float16: self = .float16
        case .int64: self = .int64
        case .int8: self = .int8
        case .uint8: self = .uint8
        default: preconditionFailure("the graph holds no \(dtype)")
        }
    }
}
