import Foundation
import Torch

/// Pickles, zip files and safetensors put together byte by byte, so that tests can break them.
enum Pickle {
    static func text(_ text: String) -> [UInt8] { [0x58] + little(text.utf8.count, 4) + text.utf8 }

    static func integer(_ value: Int) -> [UInt8] { [0x8A, 8] + little(value, 8) }

    static func global(_ name: String) -> [UInt8] {
        let dot = name.lastIndex(of: ".") ?? name.startIndex
        return [0x63] + "\(name[..<dot])\n\(name[dot...].dropFirst())\n".utf8
    }

    static func tuple(_ items: [UInt8]...) -> [UInt8] { [0x28] + items.joined() + [0x74] }

    static func integers(_ values: [Int]) -> [UInt8] {
        [0x28] + values.map(integer).joined() + [0x74]
    }

    static func dictionary(_ members: [(String, [UInt8])]) -> [UInt8] {
        [0x7D, 0x28] + members.map { text($0.0) + $0.1 }.joined() + [0x75]
    }

    static func call(_ name: String, _ arguments: [UInt8]) -> [UInt8] {
        global(name) + arguments + [0x52]
    }

    static func storage(_ type: String, key: String, count: Int) -> [UInt8] {
        tuple(text("storage"), global(type), text(key), text("cpu"), integer(count)) + [0x51]
    }

    static func tensor(
        _ type: String = "torch.FloatStorage", key: String = "0", stored: Int, offset: Int = 0,
        shape: [Int], strides: [Int]
    ) -> [UInt8] {
        call(
            "torch._utils._rebuild_tensor_v2",
            tuple(
                storage(type, key: key, count: stored), integer(offset), integers(shape),
                integers(strides), [0x89], call("collections.OrderedDict", [0x29])))
    }

    static func program(_ value: [UInt8]) -> [UInt8] { [0x80, 2] + value + [0x2E] }
}

func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}

func zipFile(
    _ entries: [(name: String, bytes: [UInt8])], method: Int = 0, flags: Int = 0
) -> [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for (name, bytes) in entries {
        let fields =
            little(flags, 2) + little(method, 2) + little(0, 8) + little(bytes.count, 4)
            + little(bytes.count, 4) + little(name.utf8.count, 2)
        directory +=
            [0x50, 0x4B, 1, 2] + little(0, 4) + fields + little(0, 12) + little(file.count, 4)
            + name.utf8
        file += [0x50, 0x4B, 3, 4] + little(0, 2) + fields + little(0, 2) + name.utf8 + bytes
    }
    let end =
        [0x50, 0x4B, 5, 6] + little(0, 4) + little(entries.count, 2) + little(entries.count, 2)
        + little(directory.count, 4) + little(file.count, 4) + little(0, 2)
    return file + directory + end
}

/// A `torch.save` file around a pickled value, with six float32 (1…6) as storage 0.
func torchFile(
    _ value: [UInt8], storage: [Float] = [1, 2, 3, 4, 5, 6], byteOrder: String = "little"
) -> [UInt8] {
    zipFile([
        ("archive/data.pkl", Pickle.program(value)), ("archive/byteorder", Array(byteOrder.utf8)),
        ("archive/data/0", storage.withUnsafeBytes { Array($0) }),
        ("archive/version", Array("3\n".utf8)),
    ])
}

func safetensorsFile(_ header: String, data: Int = 8) -> [UInt8] {
    little(header.utf8.count, 8) + header.utf8 + [UInt8](repeating: 0, count: data)
}

/// What a call threw, as text; "no error" when it did not.
func message(_ body: () throws(CheckpointError) -> Void) -> String {
    do throws(CheckpointError) {
        try body()
        return "no error"
    } catch {
        return error.description
    }
}

/// A folder for one test, removed by the caller.
func temporaryFolder() throws -> String {
    let path = NSTemporaryDirectory() + "mal-checkpoint-\(UInt64.random(in: 0...UInt64.max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    return path
}

/// Copies of a file with some bytes changed, removed or repeated; the same ones every time.
func mutated(_ seed: [UInt8], count: Int) -> some Sequence<[UInt8]> {
    var state: UInt64 = 0x9E37_79B9
    func random(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % max(bound, 1)
    }
    let special: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, 0x28, 0x2E, 0x5D, 0x7D, 0x68, 0x94, 0x30]
    return (0..<count).lazy.map { _ in
        var bytes = seed
        for _ in 0...random(4) where !bytes.isEmpty {
            let place = random(bytes.count)
            switch random(6) {
            case 0: bytes[place] = UInt8(random(256))
            case 1: bytes[place] = special[random(special.count)]
            case 2: bytes[place] ^= 1 << UInt8(random(8))
            case 3: bytes.removeSubrange(place..<min(place + 1 + random(8), bytes.count))
            case 4: bytes.insert(contentsOf: bytes[place...].prefix(1 + random(16)), at: place)
            default: bytes.removeLast(random(min(bytes.count, 64)))
            }
        }
        return bytes
    }
}
