/// A value inside a pickle. Containers are indices into the tables of a `PickleGraph`, so cycles
/// and deep nesting cost nothing: nothing recurses over them and freeing them is flat.
enum PickleValue: Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    /// An integer beyond 64 bits.
    case bigInteger
    case float(Double)
    case text(String)
    case bytes(count: Int)
    case list(Int)
    case tuple(Int)
    case dictionary(Int)
    case set
    /// A class or function by its name; never looked up, never called.
    case global(String)
    /// What calling a class or function not known here would have made.
    case object(Int)
    case storage(Int)
    case tensor(Int)
}

/// Everything that a pickle describes, as data. Nothing in it was executed.
struct PickleGraph: Sendable {
    /// A call that was not made.
    struct Object: Sendable {
        let callee: PickleValue
        let arguments: PickleValue
    }

    /// `('storage', type, key, location, count)`: the elements of tensors, in a zip entry.
    struct Storage: Sendable {
        /// Nil for element types that checkpoints of ours cannot hold (complex, quantized).
        let elementType: StoredTensor.ElementType?
        let typeName: String
        let key: String
        let count: Int
    }

    /// The arguments of `torch._utils._rebuild_tensor_v2`, not yet checked against the storage.
    struct TensorView: Sendable {
        let storage: Int
        let offset: Int
        let shape: [Int]
        let strides: [Int]
    }

    var lists: [[PickleValue]] = []
    var tuples: [[PickleValue]] = []
    var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
    var objects: [Object] = []
    var storages: [Storage] = []
    var tensors: [TensorView] = []
    var root = PickleValue.none

    /// The entries of a dictionary whose keys are texts; of equal keys the last one counts, in the
    /// place of the first, as in Python. Nil for other values.
    func members(of value: PickleValue) -> [(key: String, value: PickleValue)]? {
        guard case .dictionary(let index) = value else { return nil }
        var places: [String: Int] = [:]
        var result: [(key: String, value: PickleValue)] = []
        for case (.text(let key), let value) in dictionaries[index] {
            if let place = places[key] {
                result[place].value = value
            } else {
                places[key] = result.count
                result.append((key, value))
            }
        }
        return result
    }

    /// A value in a few words, for `checkpoint info` and for errors.
    func summary(of value: PickleValue) -> String {
        func counted(_ count: Int, _ one: String, _ many: String) -> String {
            "\(count) \(count == 1 ? one : many)"
        }
        return switch value {
        case .none: "None"
        case .bool(let value): value ? "True" : "False"
        case .integer(let value): String(value)
        case .bigInteger: "a big integer"
        case .float(let value): String(value)
        case .text(let text): text.printable
        case .bytes(let count): counted(count, "byte", "bytes")
        case .list(let index): "list of " + counted(lists[index].count, "item", "items")
        case .tuple(let index): "tuple of " + counted(tuples[index].count, "item", "items")
        case .dictionary(let index):
            "dictionary of " + counted(dictionaries[index].count, "entry", "entries")
        case .set: "set"
        case .global(let name): name.printable
        case .object(let index): "object of " + summary(ofCallee: objects[index].callee)
        case .storage: "storage"
        case .tensor(let index):
            "tensor [" + tensors[index].shape.prefix(8).map(String.init).joined(separator: ", ")
                + "]"
        }
    }

    private func summary(ofCallee value: PickleValue) -> String {
        if case .global(let name) = value { name.printable } else { "a computed class" }
    }
}
