import Foundation
import TestSupport
import Testing
import Torch

@Suite("torch.save archives")
struct SerializationTorchArchiveTests {
    @Test(
        "real files hold the tensors of their safetensors twins",
        arguments: ["micro_vit_trained", "micro_vit_init"])
    func twins(_ name: String) throws {
        let archive = try StoredCheckpoint(path: fixture(name + ".pth"))
        let twin = try StoredCheckpoint(path: fixture(name + ".safetensors"))
        #expect(archive.format == .torch && twin.format == .safetensors)
        #expect(archive.container == ["state_dict"])
        #expect(archive.tensors.count == twin.tensors.count)
        let found = Dictionary(uniqueKeysWithValues: archive.tensors.map { ($0.name, $0) })
        for expected in twin.tensors {
            let tensor = try #require(found[expected.name])
            #expect(tensor.elementType == expected.elementType)
            #expect(tensor.shape == expected.shape)
            let equal = tensor.withContiguousBytes { one in
                expected.withContiguousBytes { two in one.elementsEqual(two) }
            }
            #expect(equal, "\(expected.name)")
        }
    }

    @Test("what a Lightning file says besides its tensors is summarised")
    func extras() throws {
        let file = try StoredCheckpoint(path: fixture("micro_vit_trained.pth"))
        let texts = file.extras.map { "\($0.key): \($0.summary)" }
        #expect(
            texts == [
                "epoch: 59", "global_step: 180", "pytorch-lightning_version: 2.5.0.post0",
                "loops: dictionary of 4 entries", "callbacks: dictionary of 1 entry",
                "optimizer_states: list of 1 item", "lr_schedulers: list of 0 items",
                "tao_model: mal",
            ])
        #expect(file.skipped.isEmpty)
    }

    @Test("a MAE file's state dict lies under model")
    func mae() throws {
        let file = try StoredCheckpoint(path: fixture("mae_like_micro.pth"))
        #expect(file.container == ["model"])
        #expect(file.tensors.count == 50)
    }

    @Test("transposed, sliced and shared tensors are read through their strides")
    func strides() throws {
        let file = try read([
            ("transposed", Pickle.tensor(stored: 6, shape: [3, 2], strides: [1, 3])),
            ("column", Pickle.tensor(stored: 6, offset: 1, shape: [2], strides: [3])),
            ("scalar", Pickle.tensor(stored: 6, offset: 5, shape: [], strides: [])),
            ("empty", Pickle.tensor(stored: 6, shape: [0, 1 << 40], strides: [1 << 40, 1])),
            ("plain", Pickle.tensor(stored: 6, shape: [2, 1, 3], strides: [3, 77, 1])),
        ])
        #expect(
            file.tensors.map { $0.floats() } == [
                [1, 4, 2, 5, 3, 6], [2, 5], [6], [], [1, 2, 3, 4, 5, 6],
            ])
        #expect(file.tensors.map(\.isContiguous) == [false, false, true, true, true])
    }

    @Test("parameters, subclasses and pairs of older files are understood")
    func forms() throws {
        let tensor = Pickle.tensor(stored: 6, shape: [6], strides: [1])
        let parameter = Pickle.call(
            "torch._utils._rebuild_parameter", Pickle.tuple(tensor, [0x88], [0x29]))
        let file = try StoredCheckpoint(
            bytes: torchFile(
                Pickle.call(
                    "collections.OrderedDict",
                    Pickle.tuple([0x5D, 0x28] + Pickle.tuple(Pickle.text("p"), parameter) + [0x65]))
            ), name: "f")
        #expect(file.tensors.map(\.name) == ["p"])
        #expect(file.container.isEmpty)
    }

    @Test("many views of one storage are refused, a few are not")
    func sharing() throws {
        func file(_ count: Int) throws(CheckpointError) -> StoredCheckpoint {
            let view = Pickle.tensor(stored: 4000, shape: [4000], strides: [1]) + [0x71, 1]
            let members = [("w0", view)] + (1..<count).map { ("w\($0)", [0x68, 1]) }
            return try StoredCheckpoint(
                bytes: torchFile(
                    Pickle.dictionary(members), storage: [Float](repeating: 1, count: 4000)),
                name: "f")
        }
        #expect(try file(3).tensors.count == 3)
        #expect(
            message { () throws(CheckpointError) in _ = try file(100) }
                == "f: its tensors stand for over 4 times the file's size")
    }

    @Test("stored values become tensors and back")
    func tensors() throws {
        let file = try read([
            ("transposed", Pickle.tensor(stored: 6, shape: [3, 2], strides: [1, 3]))
        ])
        let tensor = file.tensors[0].tensor()
        #expect(tensor.shape == [3, 2] && tensor.dtype == .float32)
        #expect(tensor.floats() == [1, 4, 2, 5, 3, 6])
        let stored = StoredTensor(name: "w", tensor)
        #expect(stored.shape == [3, 2] && stored.floats() == tensor.floats())
        let flags = StoredTensor(
            name: "b", elementType: .bool, shape: [3], data: Data([0, 1, 255]))
        #expect(flags.tensor().withBytes { Array($0) } == [0, 1, 1])
        #expect(StoredTensor(name: "e", shape: [0, 2], floats: []).tensor().count == 0)
    }

    @Test("of equal keys the last one counts")
    func repeatedKey() throws {
        let file = try read([
            ("w", Pickle.tensor(stored: 6, shape: [1], strides: [1])),
            ("w", Pickle.tensor(stored: 6, offset: 2, shape: [1], strides: [1])),
        ])
        #expect(file.tensors.map { $0.floats() } == [[3]])
    }

    @Test("code in a pickle stays data")
    func inert() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let command = Pickle.tuple(Pickle.text("touch \(folder)/ran"))
        let file = try read([
            ("a", Pickle.call("os.system", command)),
            ("b", Pickle.call("builtins.eval", command) + Pickle.dictionary([]) + [0x62]),
            ("c", Pickle.global("subprocess.Popen")),
            ("d", Pickle.global("argparse.Namespace") + [0x29, 0x81]),
            ("w", Pickle.tensor(stored: 6, shape: [6], strides: [1])),
        ])
        #expect(file.tensors.map(\.name) == ["w"])
        #expect(
            file.skipped.map(\.summary) == [
                "object of os.system", "object of builtins.eval", "subprocess.Popen",
                "object of argparse.Namespace",
            ])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }

    @Test("values that contain themselves and deep nesting are harmless")
    func cycles() throws {
        let loop: [UInt8] = [0x5D, 0x71, 7, 0x68, 7, 0x61]
        let deep =
            [UInt8](repeating: 0x5D, count: 500_000) + [UInt8](repeating: 0x61, count: 499_999)
        let file = try read([
            ("loop", loop), ("deep", deep),
            ("w", Pickle.tensor(stored: 6, shape: [6], strides: [1])),
        ])
        #expect(file.skipped.map(\.summary) == ["list of 1 item", "list of 1 item"])
        // A dictionary that holds itself where the state dict should be.
        let self2: [UInt8] =
            [0x7D, 0x71, 7] + Pickle.text("model") + [0x68, 7, 0x73] + Pickle.text("epoch")
            + Pickle.integer(3) + [0x73]
        #expect(
            message { () throws(CheckpointError) in
                _ = try StoredCheckpoint(bytes: torchFile(self2), name: "f")
            }
                == "f: holds no tensors in model.model.model.model, only "
                + "model (dictionary of 2 entries), epoch (3)")
    }

    @Test("64-bit zip records are read")
    func zip64() throws {
        let value = Pickle.dictionary([
            ("w", Pickle.tensor(stored: 6, shape: [6], strides: [1]))
        ])
        let plain = torchFile(value)
        let directory =
            Int(plain[plain.count - 6]) | Int(plain[plain.count - 5]) << 8
            | Int(plain[plain.count - 4]) << 16
        let body = Array(plain.dropLast(22))
        let record =
            [0x50, 0x4B, 6, 6] + little(44, 8) + little(0, 12) + little(4, 8) + little(4, 8)
            + little(body.count - directory, 8) + little(directory, 8)
        let locator = [0x50, 0x4B, 6, 7] + little(0, 4) + little(body.count, 8) + little(1, 4)
        let end =
            [0x50, 0x4B, 5, 6] + little(0, 4) + little(0xFFFF, 2) + little(0xFFFF, 2)
            + little(0xFFFF_FFFF, 4) + little(0xFFFF_FFFF, 4) + little(0, 2)
        let file = try StoredCheckpoint(bytes: body + record + locator + end, name: "f")
        #expect(file.tensors.map { $0.floats() } == [[1, 2, 3, 4, 5, 6]])
    }

    @Test("broken and foreign files are refused with what they are", arguments: BrokenFile.torch)
    func broken(_ sample: BrokenFile) {
        let text = message { () throws(CheckpointError) in
            _ = try StoredCheckpoint(bytes: sample.bytes, name: "f")
        }
        #expect(text == "f: " + sample.message)
    }

    @Test("paths that are no files are refused")
    func paths() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let empty = folder + "/empty.pth"
        #expect(FileManager.default.createFile(atPath: empty, contents: nil))
        for (path, expected) in [
            (folder, "is a folder; a checkpoint file was expected"),
            (folder + "/none.pth", "cannot be opened: No such file or directory"),
            (empty, "is empty (0 bytes)"), ("/dev/zero", "is not a regular file"),
            ("a\0b", "the path holds a zero byte"),
        ] {
            let text = message { () throws(CheckpointError) in _ = try StoredCheckpoint(path: path)
            }
            #expect(text == "\(path): \(expected)")
        }
    }

    @Test("mutated archives are read or refused, never trapped on")
    func mutations() throws {
        let seed = torchFile(
            Pickle.dictionary([
                ("epoch", Pickle.integer(3)), ("x", Pickle.call("a.b", Pickle.tuple([0x4E]))),
                (
                    "state_dict",
                    Pickle.dictionary([
                        (
                            "v",
                            Pickle.tensor(stored: 6, offset: 1, shape: [2, 2], strides: [2, 1])
                        ),
                        ("w", Pickle.tensor(stored: 6, shape: [3, 2], strides: [1, 3])),
                    ])
                ),
            ]))
        var read = 0
        for bytes in mutated(seed, count: 6000) {
            guard let file = try? StoredCheckpoint(bytes: bytes, name: "f") else { continue }
            for tensor in file.tensors { _ = tensor.floats() }
            read += 1
        }
        #expect((100..<5900).contains(read))
    }

    private func read(_ members: [(String, [UInt8])]) throws -> StoredCheckpoint {
        try StoredCheckpoint(bytes: torchFile(Pickle.dictionary(members)), name: "f")
    }
}
