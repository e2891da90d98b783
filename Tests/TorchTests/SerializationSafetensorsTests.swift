import Foundation
import TestSupport
import Testing
import Torch

@Suite("Safetensors")
struct SerializationSafetensorsTests {
    private let tensors = [
        StoredTensor(name: "b", shape: [2, 3], floats: [1, -2, 3, 4, 5.5, 6]),
        StoredTensor(name: "a", shape: [], floats: [7]),
        StoredTensor(name: "bytes \"ü\n", elementType: .uint8, shape: [3], data: Data([1, 2, 3])),
        StoredTensor(name: "empty", shape: [0, 4], floats: []),
        StoredTensor(
            name: "long", elementType: .int64, shape: [1], data: Data(little(-5, 8))),
    ]

    @Test("what is written is read back, aligned, in the same bytes every time")
    func roundTrip() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let metadata = ["arch": "vit-mae-base/16", "note": "a \"quoted\"\ttext — ü"]
        try Safetensors.write(tensors, metadata: metadata, to: folder + "/one.safetensors")
        try Safetensors.write(
            tensors.reversed(), metadata: metadata, to: folder + "/two.safetensors")
        let one = try Data(contentsOf: URL(fileURLWithPath: folder + "/one.safetensors"))
        #expect(one == (try Data(contentsOf: URL(fileURLWithPath: folder + "/two.safetensors"))))
        let read = try Safetensors(path: folder + "/one.safetensors")
        #expect(read.metadata == metadata)
        #expect(read.tensors.map(\.name) == ["long", "a", "b", "empty", "bytes \"ü\n"])
        for tensor in tensors {
            let found = try #require(read.tensors.first { $0.name == tensor.name })
            #expect(found.elementType == tensor.elementType && found.shape == tensor.shape)
            #expect(found.floats() == tensor.floats())
        }
        #expect(one.prefix(8).first.map { $0 % 8 } == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 2)
    }

    @Test("values that are not finite are counted in every type, and refused by name")
    func finite() throws {
        func tensor(_ type: StoredTensor.ElementType, _ bytes: [[UInt8]]) -> StoredTensor {
            StoredTensor(
                name: type.rawValue, elementType: type, shape: [bytes.count],
                data: Data(bytes.flatMap { $0 }))
        }
        let largest = StoredTensor(
            name: "largest", shape: [3],
            floats: [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude])
        #expect(largest.nonFiniteCount == 0)
        let floats = StoredTensor(name: "F32", shape: [4], floats: [1, .nan, -.infinity, 0])
        #expect(floats.nonFiniteCount == 2)
        // NaN, the largest number, minus infinity.
        let halves = tensor(.float16, [[1, 0x7E], [0xFF, 0x7B], [0, 0xFC]])
        #expect(halves.nonFiniteCount == 2)
        #expect(tensor(.bfloat16, [[0xC0, 0x7F], [0x7F, 0x7F]]).nonFiniteCount == 1)
        // A finite number that is too large for float32, and one that is not.
        let doubles = tensor(
            .float64, [1e300, 1e30].map { little(Int(truncatingIfNeeded: $0.bitPattern), 8) })
        #expect(doubles.nonFiniteCount == 1)
        #expect(tensor(.int32, [[255, 255, 255, 127]]).nonFiniteCount == 0)
        try [largest].requireFinite(file: "f")
        #expect(
            message { () throws(CheckpointError) in
                try [largest, floats, halves].requireFinite(file: "f")
            }
                == "f: its weights are not all finite numbers, so that no mask could be right: "
                + "F16: 2 of 3 values are NaN or infinite; F32: 2 of 4 values are NaN or infinite")
    }

    @Test("a failed write leaves the old file and nothing else")
    func failedWrite() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/x.safetensors"
        try Safetensors.write([tensors[0]], to: path)
        let twice = [tensors[0], tensors[0]]
        #expect(
            message { () throws(CheckpointError) in try Safetensors.write(twice, to: path) }
                == "\(path): two tensors are called b")
        #expect(try Safetensors(path: path).tensors.count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["x.safetensors"])
        #expect(
            message { () throws(CheckpointError) in
                try Safetensors.write([], to: folder + "/none/x")
            } == "\(folder)/none/x: cannot be written: no such file or directory")
        #expect(
            message { () throws(CheckpointError) in try Safetensors.write([], to: folder) }
                == "\(folder): exists and is not a file, so it is not replaced")
    }

    @Test("the fixtures of the reference are read")
    func fixtures() throws {
        let file = try Safetensors(path: fixture("batch_c64_0.safetensors"))
        let box = try #require(file.tensors.first { $0.name == "bbox" })
        #expect(box.elementType == .float32 && box.shape == [4, 4])
        let identifiers = try #require(file.tensors.first { $0.name == "id" })
        #expect(identifiers.floats() == [1028, 1014, 1035, 1084])
    }

    @Test("element types convert to float32 and fp16")
    func conversion() throws {
        func values(_ type: StoredTensor.ElementType, _ bytes: [UInt8]) -> [Float] {
            StoredTensor(
                name: "x", elementType: type, shape: [bytes.count / type.size],
                data: Data(bytes)
            ).floats()
        }
        #expect(values(.float16, [0, 0x3C, 0, 0xC0]) == [1, -2])
        #expect(values(.bfloat16, [0x80, 0x3F, 0x40, 0xC0]) == [1, -3])
        #expect(values(.bool, [0, 1, 2]) == [0, 1, 1])
        #expect(values(.int8, [0xFF]) == [-1])
        #expect(values(.int16, [0, 0x80]) == [-32768])
        #expect(values(.float64, [0, 0, 0, 0, 0, 0, 0xF0, 0x3F]) == [1])
        let half = try tensors[0].converted(to: .float16, file: "f")
        #expect(half.elementType == .float16 && half.floats() == tensors[0].floats())
        let large = StoredTensor(name: "w", shape: [1], floats: [1e6])
        #expect(
            message { () throws(CheckpointError) in
                _ = try large.converted(to: .float16, file: "f")
            } == "f: w holds 1000000.0, which does not fit fp16 (±65504)")
    }

    @Test("broken headers are refused with what is wrong", arguments: BrokenFile.safetensors)
    func broken(_ sample: BrokenFile) {
        let text = message { () throws(CheckpointError) in
            _ = try Safetensors(bytes: sample.bytes, name: "f")
        }
        #expect(text == "f: " + sample.message)
    }

    @Test("mutated files are read or refused, never trapped on")
    func mutations() throws {
        let seed = safetensorsFile(
            #"{"__metadata__":{"arch":"x"},"v":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]},"#
                + #""w":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}}"#)
        var refused = 0
        for bytes in mutated(seed, count: 4000) {
            do {
                let file = try Safetensors(bytes: bytes, name: "f")
                for tensor in file.tensors { _ = tensor.floats() }
            } catch { refused += 1 }
        }
        #expect(refused > 1000)
    }
}
