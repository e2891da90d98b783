import Foundation
import Testing
import Torch

@Suite("Writing torch.save archives")
struct TorchFileTests {
    @Test("what is written is read back: types, shapes, values, what stands beside")
    func readsBack() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/a.pth"
        let tensors =
            [
                StoredTensor(name: "weight", shape: [2, 3], floats: [1, 2, 3, 4, 5, 6]),
                StoredTensor(name: "scalar", shape: [], floats: [-0.5]),
                StoredTensor(name: "empty", shape: [0, 4], floats: []),
            ]
            + StoredTensor.ElementType.allCases.map { type in
                StoredTensor(
                    name: type.rawValue, elementType: type, shape: [3],
                    data: Data((0..<3 * type.size).map { UInt8($0 % 2) }))
            }
        try TorchFile.write(
            tensors,
            extras: [("epoch", .integer(7)), ("big", .integer(1 << 40)), ("by", .text("é"))],
            to: path)
        let file = try StoredCheckpoint(path: path)
        #expect(file.format == .torch && file.container == ["state_dict"])
        #expect(
            file.extras.map { "\($0.key): \($0.summary)" } == [
                "epoch: 7", "big: \(1 << 40)", "by: é",
            ])
        #expect(file.tensors.map(\.name) == tensors.map(\.name))
        for (found, expected) in zip(file.tensors, tensors) {
            #expect(found.elementType == expected.elementType && found.shape == expected.shape)
            let equal = found.withContiguousBytes { one in
                expected.withContiguousBytes { two in one.elementsEqual(two) }
            }
            #expect(equal, "\(expected.name)")
        }
    }

    @Test("the archive is protocol 2, stored, aligned, with true checksums")
    func bytes() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/a.pth"
        let text = Data("123456789".utf8)
        try TorchFile.write(
            [StoredTensor(name: "a", elementType: .uint8, shape: [9], data: text)], to: path)
        let file = try Data(contentsOf: URL(fileURLWithPath: path))
        let pickle = try #require(file.firstRange(of: Data([0x80, 2, 0x7D, 0x28])))
        let data = try #require(file.firstRange(of: text))
        #expect(pickle.lowerBound % 64 == 0 && data.lowerBound % 64 == 0)
        // The published check value of this checksum.
        #expect(file.firstRange(of: Data([0x26, 0x39, 0xF4, 0xCB])) != nil)
    }

    @Test("two tensors of one name are refused, and nothing is left")
    func twice() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let tensor = StoredTensor(name: "a", shape: [1], floats: [1])
        let path = folder + "/a.pth"
        let text = message { () throws(CheckpointError) in
            try TorchFile.write([tensor, tensor], to: path)
        }
        #expect(text == "\(path): two tensors are called a")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
}
