/// Which reader a file's first bytes call for. Files of other kinds that come in place of a
/// checkpoint are named, with what to do about them.
enum FileKind {
    case safetensors
    case zip
    case onnx

    static func recognise(_ file: MappedFile) throws(CheckpointError) -> FileKind {
        if file.matches([0x50, 0x4B, 0x03, 0x04]) || file.matches([0x50, 0x4B, 0x05, 0x06]) {
            return .zip
        }
        // JSON text can have a brace there too, but then its first 8 bytes are an absurd length.
        let isText = file.matches([UInt8(ascii: "{")]) || file.matches([UInt8(ascii: "[")])
        let length = file.integer(UInt64.self, at: 0) ?? 0
        if file.matches([UInt8(ascii: "{")], at: 8),
            !isText || length <= Safetensors.maximumHeaderSize
        {
            return .safetensors
        }
        if ONNXCheckpoint.recognises(file) { return .onnx }
        throw failure(file)
    }

    private static func failure(_ file: MappedFile) -> CheckpointError {
        let start = file.bytes(0..<min(file.count, 512))
        let text = String(decoding: start, as: UTF8.self)
        let firstWord = text.drop { $0.isWhitespace }.prefix(16).lowercased()
        if text.hasPrefix("version https://git-lfs") {
            return file.failure(
                .notACheckpoint,
                "is a git-lfs pointer, not the file itself; run `git lfs pull`")
        }
        if firstWord.hasPrefix("<") {
            return file.failure(
                .notACheckpoint,
                "is a web page (HTML or XML), not a checkpoint; the download was answered with "
                    + "a page, often a login or an error")
        }
        if firstWord.hasPrefix("{") || firstWord.hasPrefix("[") {
            return file.failure(
                .notACheckpoint,
                "is JSON text, not a checkpoint; name the .safetensors or .pth file")
        }
        // PROTO 2, then LONG1 with the magic number 0x1950a86a20f9469cfc6c.
        let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
        if file.matches([0x80]), file.matches([0x8A, 0x0A] + magic, at: 2) {
            return file.failure(
                .unsupported,
                "is in the format of torch.save before PyTorch 1.6; load it in PyTorch and save "
                    + "it again: torch.save(torch.load(\"old.pth\"), \"new.pth\")")
        }
        if file.matches("ustar".utf8, at: 257) {
            return file.failure(
                .unsupported,
                "is a tar file: a torch.save file of 2016 or a packed folder; unpack it, or load "
                    + "it in PyTorch and save it again")
        }
        if file.count > 1, file.matches([0x80]), (2...5).contains(start[1]) {
            return file.failure(
                .unsupported,
                "is a bare pickle, not a torch.save file; load it in Python and save its tensors "
                    + "with torch.save")
        }
        for (signature, name) in signatures where file.matches(signature) {
            return file.failure(.notACheckpoint, "is \(name), not a checkpoint")
        }
        return file.failure(
            .notACheckpoint,
            "is no .safetensors, torch.save or ONNX file; encrypted TAO files (.tlt, .etlt) "
                + "look like this and must be decrypted with NVIDIA's tools first")
    }

    private static let signatures: [([UInt8], String)] = [
        ([0x1F, 0x8B], "a gzip file (unpack it)"),
        ([0x28, 0xB5, 0x2F, 0xFD], "a Zstandard file (unpack it)"),
        ([0x37, 0x7A, 0xBC, 0xAF], "a 7z file (unpack it)"),
        ([0xFD, 0x37, 0x7A, 0x58], "an xz file (unpack it)"),
        ([0x89, 0x48, 0x44, 0x46], "an HDF5 file (Keras weights)"),
        ([0x93, 0x4E, 0x55, 0x4D], "a NumPy .npy file"),
        ([0x47, 0x47, 0x55, 0x46], "a GGUF file"),
        ([0x89, 0x50, 0x4E, 0x47], "a PNG image"),
        ([0xFF, 0xD8, 0xFF], "a JPEG image"),
        ([0x7F, 0x45, 0x4C, 0x46], "a program"),
        (Array("%PDF".utf8), "a PDF document"),
    ]
}
