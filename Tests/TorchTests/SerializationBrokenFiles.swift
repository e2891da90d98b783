import Testing

/// Bytes that a reader must refuse, and what it must say.
struct BrokenFile: CustomTestStringConvertible, Sendable {
    let message: String
    let bytes: [UInt8]

    var testDescription: String { message }
}

extension BrokenFile {
    private static func header(_ message: String, _ text: String, data: Int = 8) -> BrokenFile {
        BrokenFile(message: message, bytes: safetensorsFile(text, data: data))
    }

    static let safetensors: [BrokenFile] = [
        .init(
            message: "has 3 bytes, fewer than the 8 that every safetensors has", bytes: [1, 2, 3]),
        .init(
            message: "claims a header of 18446744073709551615 bytes; at most 100000000 are read",
            bytes: [UInt8](repeating: 255, count: 8) + Array("{}".utf8)),
        .init(
            message: "ends inside its header: 10 bytes, the header needs 108",
            bytes: little(100, 8) + Array("{}".utf8)),
        header(
            "safetensors header, byte 1: expected '\"', found 'a'", "{a}"),
        header(
            "safetensors header, byte 36: w: unknown key x",
            #"{"w":{"dtype":"F32","shape":[1],"x":[[[[[[]]]]]]}}"#),
        header(
            "safetensors header, byte 1: expected '\"', found '['",
            "{" + String(repeating: "[", count: 100_000)),
        header(
            "safetensors header, byte 58: the tensor name w occurs twice",
            #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{}}"#),
        header(
            "safetensors header, byte 28: w: dtype occurs twice",
            #"{"w":{"dtype":"F32","dtype":"F32"}}"#),
        header(
            "w has dtype F8_E4M3; read are F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL",
            #"{"w":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#),
        header(
            "safetensors header, byte 53: w has 8 bytes, shape [3] of F32 needs 12",
            #"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#),
        header(
            "safetensors header, byte 53: w ends (0) before it begins (8)",
            #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#),
        header(
            "w begins at byte 4 of the data and overlaps the tensor before it, which ends at 8",
            #"{"v":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"#
                + #""w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#),
        header(
            "w begins at byte 4 of the data and leaves a gap after the tensor before it, "
                + "which ends at 0",
            #"{"w":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#),
        header(
            "w ends at byte 8 of the data, the file has only 5; was the download or copy cut "
                + "short?",
            #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, data: 5),
        header("8 bytes follow the last tensor", "{}"),
        header(
            "safetensors header, byte 47: a number too large to count with",
            #"{"w":{"dtype":"F32","shape":[99999999999999999999]}}"#),
        header(
            "safetensors header, byte 86: w has the impossible shape "
                + "[4294967296, 4294967296, 4294967296, 0]",
            #"{"w":{"dtype":"F32","shape":[4294967296,4294967296,4294967296,0],"#
                + #""data_offsets":[0,0]}}"#, data: 0),
        header(
            "safetensors header, byte 29: expected a whole number, 0 or more",
            #"{"w":{"dtype":"F32","shape":[-1]}}"#),
        header(
            "safetensors header, byte 30: expected a whole number, 0 or more",
            #"{"w":{"dtype":"F32","shape":[1.5]}}"#),
        header(
            "safetensors header, byte 26: more than 2 numbers",
            #"{"w":{"data_offsets":[0,0,0,0,0,0,0]}}"#),
        header(
            "safetensors header, byte 32: the metadata key a occurs twice",
            #"{"__metadata__":{"a":"1","a":"2"}}"#),
        header(
            "safetensors header, byte 24: expected '\"', found '1'",
            #"{"__metadata__":{"step":1}}"#),
        header("safetensors header, byte 8: half a surrogate", #"{"\uD800":{}}"#),
        header("safetensors header, byte 3: a text without an end", #"{"w"#),
        header("safetensors header, byte 2: text after the closing brace", "{}{}"),
        .init(
            message: "safetensors header, byte 4: text that is not UTF-8",
            bytes: little(8, 8) + [0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x7B, 0x7D, 0x7D]),
    ]
}

extension BrokenFile {
    private static func tensor(_ message: String, _ tensor: [UInt8]) -> BrokenFile {
        BrokenFile(message: message, bytes: torchFile(Pickle.dictionary([("w", tensor)])))
    }

    private static func pickle(_ message: String, _ bytes: [UInt8]) -> BrokenFile {
        BrokenFile(message: message, bytes: zipFile([("a/data.pkl", bytes)]))
    }

    private static let good = torchFile(
        Pickle.dictionary([("w", Pickle.tensor(stored: 6, shape: [6], strides: [1]))]))

    static let torch: [BrokenFile] = foreign + zips + pickles + views

    private static let foreign: [BrokenFile] = [
        .init(message: "is empty (0 bytes)", bytes: []),
        .init(
            message: "is a git-lfs pointer, not the file itself; run `git lfs pull`",
            bytes: Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\n".utf8)),
        .init(
            message: "is a web page (HTML or XML), not a checkpoint; the download was answered "
                + "with a page, often a login or an error",
            bytes: Array("\n<!DOCTYPE html><html></html>".utf8)),
        .init(
            message: "is JSON text, not a checkpoint; name the .safetensors or .pth file",
            bytes: Array(#"{"w":0, {"weight_map": {}}"#.utf8)),
        .init(
            message: "is in the format of torch.save before PyTorch 1.6; load it in PyTorch and "
                + "save it again: torch.save(torch.load(\"old.pth\"), \"new.pth\")",
            bytes: [
                0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
                0x2E,
            ]),
        .init(
            message: "is a tar file: a torch.save file of 2016 or a packed folder; unpack it, or "
                + "load it in PyTorch and save it again",
            bytes: [UInt8](repeating: 0, count: 257) + "ustar".utf8),
        .init(
            message: "is a bare pickle, not a torch.save file; load it in Python and save its "
                + "tensors with torch.save",
            bytes: Pickle.program(Pickle.dictionary([]))),
        .init(message: "is a gzip file (unpack it), not a checkpoint", bytes: [0x1F, 0x8B, 8]),
        .init(
            message: "is no .safetensors, torch.save or ONNX file; encrypted TAO files "
                + "(.tlt, .etlt) look like this and must be decrypted with NVIDIA's tools first",
            bytes: Array("random bytes of an encrypted file".utf8)),
    ]

    private static let zips: [BrokenFile] = [
        .init(
            message: "begins like a zip file and ends without a zip directory; was the download "
                + "or copy cut short?",
            bytes: good.dropLast(10)),
        .init(
            message: "is a zip file without the data.pkl that torch.save writes (it is empty)",
            bytes: zipFile([])),
        .init(
            message: "is a NumPy .npz archive (it holds x.npy)", bytes: zipFile([("x.npy", [])])),
        .init(
            message: "is a zip file around a checkpoint; unpack it first (it holds best.pth)",
            bytes: zipFile([("best.pth", [])])),
        .init(
            message: "is a zip file with more than one data.pkl, or one in an unusual place "
                + "(it holds a/data.pkl, b/data.pkl)",
            bytes: zipFile([("a/data.pkl", []), ("b/data.pkl", [])])),
        .init(
            message: "is a TorchScript program, not a checkpoint; save its state_dict() instead",
            bytes: zipFile([("a/data.pkl", []), ("a/constants.pkl", [])])),
        .init(
            message: "the zip entry a/data.pkl occurs twice",
            bytes: zipFile([("a/data.pkl", []), ("a/data.pkl", [])])),
        .init(
            message: "the zip entry a/data.pkl is compressed; torch.save never "
                + "compresses, so unpack it and zip it again with zip -0, or load it in PyTorch "
                + "and save it again",
            bytes: zipFile([("a/data.pkl", [])], method: 8)),
        .init(
            message: "the zip entry a/data.pkl is encrypted with a password",
            bytes: zipFile([("a/data.pkl", [])], flags: 1)),
        .init(
            message: "its numbers are in big-endian order; only little-endian is read",
            bytes: torchFile(Pickle.dictionary([]), byteOrder: "big")),
        .init(
            message: "the zip directory does not lie inside the file",
            bytes: good.dropLast(6) + little(0x7FFF_FFFF, 4) + [0, 0]),
        .init(
            message: "the zip directory is broken at byte 0",
            bytes: good.dropLast(6) + little(0, 4) + [0, 0]),
    ]

    private static let pickles: [BrokenFile] = [
        pickle("pickle, byte 2: ends without a STOP", [0x80, 2]),
        pickle("pickle, byte 2: protocol 9; 2 to 5 are read", [0x80, 9, 0x4E, 0x2E]),
        pickle("pickle, byte 3: the stack is empty", [0x80, 2, 0x2E]),
        pickle(
            "pickle, byte 1: the opcode 0x69 is none of those read (protocols 2 to 5)", [0x69]),
        pickle("pickle, byte 1: no MARK to go back to", [0x74]),
        pickle("pickle, byte 2: memo 9 was never stored", [0x68, 9]),
        pickle("pickle, byte 4: a key without a value", [0x7D, 0x28, 0x4E, 0x75]),
        pickle(
            "pickle, byte 5: a value of 4294967295 bytes where 0 are left",
            [0x58] + little(-1, 4)),
        pickle(
            "pickle, byte 9: a value of 9223372036854775807 bytes where 1 are left",
            [0x8E] + little(-1, 8) + [0]),
        pickle(
            "pickle, byte 5: a value of 2147483647 bytes where 1 are left",
            [0x8B] + little(0x7FFF_FFFF, 4) + [0]),
        pickle("pickle, byte 6: text that is not UTF-8", [0x58] + little(1, 4) + [0xFF]),
        pickle(
            "pickle, byte 4000000: more than 4000000 steps; not a model's checkpoint",
            [UInt8](repeating: 0x28, count: 4_000_001)),
        pickle(
            "pickle, byte 2: a persistent object that is not a storage of torch.save",
            [0x4E, 0x51]),
        // The same list of 1,000 pairs copied by each call: paid for, so it ends.
        .init(
            message: "pickle, byte 28893: more than 4000000 steps; not a model's checkpoint",
            bytes: zipFile([
                (
                    "a/data.pkl",
                    [0x80, 2, 0x5D, 0x71, 1, 0x28] + [UInt8](repeating: 0x4E, count: 1000) + [0x65]
                        + Pickle.global("collections.OrderedDict") + [0x71, 2]
                        + [[UInt8]](repeating: [0x68, 2, 0x68, 1, 0x85, 0x52, 0x30], count: 8000)
                        .joined()
                )
            ])),
        .init(
            message: "holds tuple of 0 items where a dictionary of tensors was expected",
            bytes: torchFile([0x29])),
        .init(
            message: "is a whole pickled model (object of models.Net), which only its own program "
                + "can open; save model.state_dict() instead",
            bytes: torchFile(Pickle.call("models.Net", [0x29]))),
        .init(
            message: "is an encrypted TAO checkpoint (state_dict_encrypted); decrypt it with "
                + "NVIDIA's TAO tools and its encryption key first",
            bytes: torchFile(Pickle.dictionary([("state_dict_encrypted", [0x88])]))),
        .init(
            message: "holds no tensors in its top level, only epoch (3)",
            bytes: torchFile(Pickle.dictionary([("epoch", Pickle.integer(3))]))),
    ]

    private static let views: [BrokenFile] = [
        tensor(
            "w: shape [7], strides [1], offset 0 reach outside its storage of 6 elements",
            Pickle.tensor(stored: 6, shape: [7], strides: [1])),
        tensor(
            "w: shape [2], strides [4611686018427387904], offset 0 reach outside its storage of "
                + "6 elements",
            Pickle.tensor(stored: 6, shape: [2], strides: [1 << 62])),
        tensor(
            "w: shape [3], strides [9223372036854775807], offset 0 reach outside its storage of "
                + "6 elements",
            Pickle.tensor(stored: 6, shape: [3], strides: [.max])),
        tensor(
            "w: shape [1], strides [1], offset -1 reach outside its storage of 6 elements",
            Pickle.tensor(stored: 6, offset: -1, shape: [1], strides: [1])),
        tensor(
            "w: shape [2], strides [-1], offset 3 reach outside its storage of 6 elements",
            Pickle.tensor(stored: 6, offset: 3, shape: [2], strides: [-1])),
        tensor(
            "w: impossible shape [-2] with strides [1]",
            Pickle.tensor(stored: 6, shape: [-2], strides: [1])),
        tensor(
            "w: impossible shape [2] with strides []",
            Pickle.tensor(stored: 6, shape: [2], strides: [])),
        tensor(
            "w: impossible shape [4294967296, 4294967296, 4294967296] with strides [0, 0, 0]",
            Pickle.tensor(
                stored: 6, shape: [1 << 32, 1 << 32, 1 << 32], strides: [0, 0, 0])),
        tensor(
            "holds no tensors in its top level, only w (w repeats 6 stored elements to "
                + "1099511627776; save a copy of it)",
            Pickle.tensor(stored: 6, shape: [1 << 40], strides: [0])),
        tensor(
            "w: its storage should have 7 elements of F32, the file has 24 bytes",
            Pickle.tensor(stored: 7, shape: [1], strides: [1])),
        tensor(
            "w: its storage ../../x is not in the file",
            Pickle.tensor(key: "../../x", stored: 6, shape: [1], strides: [1])),
        tensor(
            "holds no tensors in its top level, only w (w has elements of "
                + "torch.ComplexFloatStorage; read are F64, F32, F16, BF16, I64, I32, I16, I8, U8, "
                + "BOOL)",
            Pickle.tensor("torch.ComplexFloatStorage", stored: 3, shape: [1], strides: [1])),
    ]
}
