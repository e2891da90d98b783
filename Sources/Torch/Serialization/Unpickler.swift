/// Reads a pickle as data. Nothing is imported, called or executed, whatever the pickle says:
/// calls of a few known functions (ordered dictionaries, tensor rebuilding) are understood, every
/// other call becomes an inert `PickleGraph.Object`.
///
/// Opcodes of protocols 2 to 5 are read. Every opcode costs one of a bounded number of steps, no
/// opcode stores more than its own bytes and a few words, and nothing recurses.
struct Unpickler {
    /// A Lightning checkpoint of a large model with its optimizer takes some 100,000.
    static let maximumStepCount = 4_000_000
    static let maximumSize = 256 << 20

    private let bytes: [UInt8]
    private let file: String
    private var position = 0
    private var stack: [PickleValue] = []
    /// Heights of the stack at the open MARKs.
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]
    private var steps = 0
    private var graph = PickleGraph()

    static func read(_ bytes: [UInt8], file: String) throws(CheckpointError) -> PickleGraph {
        var unpickler = Unpickler(bytes: bytes, file: file)
        try unpickler.run()
        return unpickler.graph
    }

    private init(bytes: [UInt8], file: String) {
        self.bytes = bytes
        self.file = file
    }

    private func failure(
        _ message: String, _ kind: CheckpointError.Kind = .damaged
    ) -> CheckpointError {
        CheckpointError(
            file: file, kind: kind, message: "pickle, byte \(position): \(message)")
    }

    private mutating func count(_ cost: Int) throws(CheckpointError) {
        steps += cost
        guard steps <= Self.maximumStepCount else {
            throw failure("more than \(Self.maximumStepCount) steps; not a model's checkpoint")
        }
    }

    private mutating func run() throws(CheckpointError) {
        while true {
            try count(1)
            let code = try byte()
            guard let opcode = Opcode(rawValue: code) else {
                throw failure(
                    "the opcode 0x\(String(code, radix: 16)) is none of those read "
                        + "(protocols 2 to 5)",
                    .unsupported)
            }
            if opcode == .stop {
                graph.root = try pop()
                return
            }
            try execute(opcode)
        }
    }

    private mutating func execute(_ opcode: Opcode) throws(CheckpointError) {
        switch opcode {
        case .stop: break
        case .proto:
            let version = try byte()
            guard (2...5).contains(version) else {
                throw failure("protocol \(version); 2 to 5 are read", .unsupported)
            }
        case .frame: _ = try take(8)
        case .mark: marks.append(stack.count)
        case .pop: if stack.count == marks.last { marks.removeLast() } else { _ = try pop() }
        case .popMark: _ = try popToMark()
        case .duplicate: stack.append(try top())
        case .none: stack.append(.none)
        case .newTrue: stack.append(.bool(true))
        case .newFalse: stack.append(.bool(false))
        case .binInt:
            stack.append(.integer(Int(Int32(truncatingIfNeeded: try integer(4)))))
        case .binInt1: stack.append(.integer(try integer(1)))
        case .binInt2: stack.append(.integer(try integer(2)))
        case .long1: stack.append(try long(length: integer(1)))
        case .long4: stack.append(try long(length: integer(4)))
        case .binFloat:
            let bits = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            stack.append(.float(Double(bitPattern: bits)))
        case .shortBinUnicode: stack.append(.text(try text(length: integer(1))))
        case .binUnicode: stack.append(.text(try text(length: integer(4))))
        case .binUnicode8: stack.append(.text(try text(length: integer(8))))
        // Texts of Python 2, in which names are ASCII.
        case .shortBinString: stack.append(.text(try text(length: integer(1))))
        case .binString: stack.append(.text(try text(length: integer(4))))
        case .shortBinBytes: stack.append(try inertBytes(length: integer(1)))
        case .binBytes: stack.append(try inertBytes(length: integer(4)))
        case .binBytes8, .byteArray8: stack.append(try inertBytes(length: integer(8)))
        case .emptyList: pushList([])
        case .emptyTuple: pushTuple([])
        case .emptyDictionary: pushDictionary([])
        case .emptySet: stack.append(.set)
        case .list: pushList(try popToMark())
        case .tuple: pushTuple(try popToMark())
        case .tuple1: pushTuple(try pop(1))
        case .tuple2: pushTuple(try pop(2))
        case .tuple3: pushTuple(try pop(3))
        case .dictionary: pushDictionary(try pairs(popToMark()))
        case .frozenSet:
            _ = try popToMark()
            stack.append(.set)
        case .append: try append(pop(1))
        case .appends: try append(popToMark())
        case .setItem: try setItems(pop(2))
        case .setItems: try setItems(popToMark())
        case .addItems: _ = try popToMark()
        case .binGet: try get(integer(1))
        case .longBinGet: try get(integer(4))
        case .binPut: memo[try integer(1)] = try top()
        case .longBinPut: memo[try integer(4)] = try top()
        case .memoize: memo[memo.count] = try top()
        case .global:
            let module = try line()
            stack.append(.global(module + "." + (try line())))
        case .stackGlobal:
            guard case .text(let name) = try pop(), case .text(let module) = try pop() else {
                throw failure("a class name that is not text")
            }
            try count((module.utf8.count + name.utf8.count) / 64)
            stack.append(.global(module + "." + name))
        case .reduce, .newObject:
            let arguments = try pop()
            try call(pop(), arguments)
        case .newObjectEx:
            _ = try pop()
            let arguments = try pop()
            try call(pop(), arguments)
        // The state of an object or ordered dictionary: hooks and settings, nothing to load.
        case .build: _ = try pop()
        case .persistentID: try loadPersistent(pop())
        }
    }
}

// MARK: - Bytes

extension Unpickler {
    private mutating func byte() throws(CheckpointError) -> UInt8 {
        guard position < bytes.count else { throw failure("ends without a STOP", .truncated) }
        defer { position += 1 }
        return bytes[position]
    }

    private mutating func take(_ length: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
        guard length >= 0, length <= bytes.count - position else {
            throw failure(
                "a value of \(length) bytes where \(bytes.count - position) are left", .truncated)
        }
        defer { position += length }
        return bytes[position..<position + length]
    }

    /// An unsigned little-endian integer of at most 8 bytes; beyond 63 bits it becomes `Int.max`,
    /// which no length or index reaches.
    private mutating func integer(_ size: Int) throws(CheckpointError) -> Int {
        let value = try take(size).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Int(exactly: value) ?? .max
    }

    private mutating func long(length: Int) throws(CheckpointError) -> PickleValue {
        let digits = try take(length)
        guard digits.count <= 8 else { return .bigInteger }
        var value = digits.last.map { $0 >= 0x80 ? -1 : 0 } ?? 0
        for digit in digits.reversed() { value = value << 8 | Int(digit) }
        return .integer(value)
    }

    private mutating func text(length: Int) throws(CheckpointError) -> String {
        guard let text = String(validating: try take(length), as: UTF8.self) else {
            throw failure("text that is not UTF-8")
        }
        return text
    }

    private mutating func inertBytes(length: Int) throws(CheckpointError) -> PickleValue {
        .bytes(count: try take(length).count)
    }

    private mutating func line() throws(CheckpointError) -> String {
        guard let end = bytes[position...].prefix(1000).firstIndex(of: 0x0A) else {
            throw failure("a class name without an end")
        }
        let text = try text(length: end - position)
        position += 1
        return text
    }
}

// MARK: - Stack

extension Unpickler {
    private func top() throws(CheckpointError) -> PickleValue {
        guard stack.count > marks.last ?? 0, let value = stack.last else {
            throw failure("the stack is empty")
        }
        return value
    }

    private mutating func pop() throws(CheckpointError) -> PickleValue {
        let value = try top()
        stack.removeLast()
        return value
    }

    private mutating func pop(_ count: Int) throws(CheckpointError) -> [PickleValue] {
        guard stack.count - (marks.last ?? 0) >= count else { throw failure("the stack is empty") }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popToMark() throws(CheckpointError) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw failure("no MARK to go back to") }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private mutating func get(_ index: Int) throws(CheckpointError) {
        guard let value = memo[index] else { throw failure("memo \(index) was never stored") }
        stack.append(value)
    }

    private mutating func pushList(_ items: [PickleValue]) {
        stack.append(.list(graph.lists.count))
        graph.lists.append(items)
    }

    private mutating func pushTuple(_ items: [PickleValue]) {
        stack.append(.tuple(graph.tuples.count))
        graph.tuples.append(items)
    }

    private mutating func pushDictionary(_ pairs: [(key: PickleValue, value: PickleValue)]) {
        stack.append(.dictionary(graph.dictionaries.count))
        graph.dictionaries.append(pairs)
    }

    private func pairs(
        _ items: [PickleValue]
    ) throws(CheckpointError) -> [(key: PickleValue, value: PickleValue)] {
        guard items.count.isMultiple(of: 2) else { throw failure("a key without a value") }
        return stride(from: 0, to: items.count, by: 2).map { (items[$0], items[$0 + 1]) }
    }

    /// Items of a list; those of other things (subclasses of list) are dropped.
    private mutating func append(_ items: [PickleValue]) throws(CheckpointError) {
        if case .list(let index) = try top() { graph.lists[index].append(contentsOf: items) }
    }

    /// Entries of a dictionary; those of other things (subclasses of dict) are dropped.
    private mutating func setItems(_ items: [PickleValue]) throws(CheckpointError) {
        let pairs = try pairs(items)
        if case .dictionary(let index) = try top() {
            graph.dictionaries[index].append(contentsOf: pairs)
        }
    }
}

// MARK: - The calls that are understood

extension Unpickler {
    /// What a call would have made, of the few that a checkpoint's tensors need. All others are
    /// kept as inert objects.
    private mutating func call(
        _ callee: PickleValue, _ arguments: PickleValue
    ) throws(CheckpointError) {
        var values: ArraySlice<PickleValue> = []
        if case .tuple(let index) = arguments { values = graph.tuples[index][...] }
        if case .global(let name) = callee {
            switch name {
            case "collections.OrderedDict", "builtins.dict", "collections.defaultdict":
                return pushDictionary(try entries(of: values.last))
            case "torch.Size":
                if case .tuple? = values.first { return stack.append(values[0]) }
            case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
                if case .tensor? = values.first { return stack.append(values[0]) }
            case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
                if let view = tensorView(values) {
                    stack.append(.tensor(graph.tensors.count))
                    return graph.tensors.append(view)
                }
            default: break
            }
        }
        stack.append(.object(graph.objects.count))
        graph.objects.append(.init(callee: callee, arguments: arguments))
    }

    /// The argument of `OrderedDict([[key, value], …])`, the form of older Python versions.
    private mutating func entries(
        of value: PickleValue?
    ) throws(CheckpointError) -> [(key: PickleValue, value: PickleValue)] {
        switch value {
        case .list(let index)?:
            // One opcode copies a whole list here, so the copy is paid for.
            try count(graph.lists[index].count)
            return graph.lists[index].compactMap { item in
                let pair: [PickleValue]
                switch item {
                case .list(let index): pair = graph.lists[index]
                case .tuple(let index): pair = graph.tuples[index]
                default: return nil
                }
                return pair.count == 2 ? (pair[0], pair[1]) : nil
            }
        case .dictionary(let index)?:
            try count(graph.dictionaries[index].count)
            return graph.dictionaries[index]
        default: return []
        }
    }

    /// `(storage, offset, size, stride, …)`, or nil when the arguments are something else.
    private func tensorView(_ values: ArraySlice<PickleValue>) -> PickleGraph.TensorView? {
        guard values.count >= 4, case .storage(let storage) = values[0],
            case .integer(let offset) = values[1],
            let shape = integers(values[2]), let strides = integers(values[3])
        else { return nil }
        return .init(storage: storage, offset: offset, shape: shape, strides: strides)
    }

    /// A tuple of integers short enough to be a tensor's shape.
    private func integers(_ value: PickleValue) -> [Int]? {
        guard case .tuple(let index) = value, graph.tuples[index].count <= 16 else { return nil }
        var result: [Int] = []
        for item in graph.tuples[index] {
            guard case .integer(let value) = item else { return nil }
            result.append(value)
        }
        return result
    }

    /// `('storage', type, key, location, count)`, the only persistent object of `torch.save`.
    private mutating func loadPersistent(_ id: PickleValue) throws(CheckpointError) {
        guard case .tuple(let index) = id, graph.tuples[index].count >= 5,
            case .text("storage") = graph.tuples[index][0],
            case .global(let type) = graph.tuples[index][1],
            case .text(let key) = graph.tuples[index][2],
            case .integer(let count) = graph.tuples[index][4]
        else { throw failure("a persistent object that is not a storage of torch.save") }
        stack.append(.storage(graph.storages.count))
        graph.storages.append(
            .init(
                elementType: Self.elementTypes[type], typeName: type, key: key, count: count))
    }

    private static let elementTypes: [String: StoredTensor.ElementType] = [
        "torch.DoubleStorage": .float64, "torch.FloatStorage": .float32,
        "torch.HalfStorage": .float16, "torch.BFloat16Storage": .bfloat16,
        "torch.LongStorage": .int64, "torch.IntStorage": .int32, "torch.ShortStorage": .int16,
        "torch.CharStorage": .int8, "torch.ByteStorage": .uint8, "torch.BoolStorage": .bool,
    ]
}

/// The opcodes that are read. Left out are those of protocols 0 and 1 that are text (INT, PUT, …),
/// INST and OBJ, the copyreg extension registry and out-of-band buffers.
private enum Opcode: UInt8 {
    case stop = 0x2E, proto = 0x80, frame = 0x95
    case mark = 0x28, pop = 0x30, popMark = 0x31, duplicate = 0x32
    case none = 0x4E, newTrue = 0x88, newFalse = 0x89
    case binInt = 0x4A, binInt1 = 0x4B, binInt2 = 0x4D, long1 = 0x8A, long4 = 0x8B
    case binFloat = 0x47
    case shortBinUnicode = 0x8C, binUnicode = 0x58, binUnicode8 = 0x8D
    case shortBinString = 0x55, binString = 0x54
    case shortBinBytes = 0x43, binBytes = 0x42, binBytes8 = 0x8E, byteArray8 = 0x96
    case emptyList = 0x5D, emptyTuple = 0x29, emptyDictionary = 0x7D, emptySet = 0x8F
    case list = 0x6C, tuple = 0x74, tuple1 = 0x85, tuple2 = 0x86, tuple3 = 0x87
    case dictionary = 0x64, frozenSet = 0x91
    case append = 0x61, appends = 0x65, setItem = 0x73, setItems = 0x75, addItems = 0x90
    case binGet = 0x68, longBinGet = 0x6A, binPut = 0x71, longBinPut = 0x72, memoize = 0x94
    case global = 0x63, stackGlobal = 0x93
    case reduce = 0x52, newObject = 0x81, newObjectEx = 0x92, build = 0x62
    case persistentID = 0x51
}
