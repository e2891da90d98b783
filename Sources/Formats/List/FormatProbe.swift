import Annotations
import Files
import Foundation

/// What formats look at in a file to tell whether it is theirs.
struct FileProbe: Sendable {
    let path: String
    /// The first bytes, without a byte-order mark.
    let head: [UInt8]
    /// In lower case.
    let fileExtension: String
    /// The keys of the object at the top of a JSON file, or of the first element of its list.
    let keys: Set<String>
    /// Pieces of a file that goes on after ``head``.
    private let samples: [UInt8]
    /// Whether the whole file is in ``head``.
    private let isWhole: Bool

    static let headSize = 64 << 10

    init(path: String) throws {
        self.path = path
        fileExtension = FolderListing.fileExtension(of: path)
        (head, samples, isWhole) = try Self.head(of: path)
        keys = head.withUnsafeBufferPointer(Self.keys)
    }

    private init(_ probe: FileProbe, keys: Set<String>) {
        (path, head, fileExtension) = (probe.path, probe.head, probe.fileExtension)
        samples = probe.samples
        isWhole = true
        self.keys = keys
    }

    /// The same with the keys of the whole file; nil where these are known already.
    func complete() throws -> FileProbe? {
        guard !isWhole, opens(with: "{") else { return nil }
        return FileProbe(self, keys: try FileBytes(path: path).withBytes(Self.keys))
    }

    /// Whether the first character that is no white space is this one.
    func opens(with character: Unicode.Scalar) -> Bool {
        head.first { $0 > 0x20 } == UInt8(ascii: character)
    }

    /// Whether a text occurs in the first bytes.
    func contains(_ text: String) -> Bool {
        Data(head).range(of: Data(text.utf8)) != nil
    }

    /// Whether a text occurs in the first bytes or in pieces of the rest: for what the records of a
    /// long file have, behind much else.
    func hasInside(_ text: String) -> Bool {
        contains(text) || Data(samples).range(of: Data(text.utf8)) != nil
    }

    /// The name of the first element of XML.
    var rootElement: String? {
        var isComment = false
        for part in String(decoding: head, as: UTF8.self).split(separator: "<") {
            if isComment || part.hasPrefix("!--") {
                isComment = !part.contains("-->")
            } else if let first = part.first, first.isLetter || first == "_" {
                return String(part.prefix { !$0.isWhitespace && $0 != ">" && $0 != "/" })
            }
        }
        return nil
    }

    /// Whether it is neither JSON nor XML.
    var isText: Bool { !opens(with: "{") && !opens(with: "[") && !opens(with: "<") }

    /// The first line of a text.
    var line: ArraySlice<UInt8>? {
        guard isText,
            let line = head.split(separator: UInt8(ascii: "\n")).first
        else { return nil }
        return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    var fields: [ArraySlice<UInt8>] { line.map(TextFields.fields) ?? [] }

    /// Whether the fields from a place on are numbers, as far as one need look.
    func hasNumbers(from first: Int) -> Bool {
        fields.dropFirst(first).prefix(24).allSatisfy { TextFields.number($0) != nil }
    }

    private static func keys(_ bytes: UnsafeBufferPointer<UInt8>) -> Set<String> {
        var scanner = JSONScanner(bytes, 0..<bytes.count)
        var keys: Set<String> = []
        _ = scanner.take("[")
        guard scanner.take("{") else { return [] }
        while scanner.peek() == UInt8(ascii: "\"") {
            if let key = scanner.text(scanner.string()) { keys.insert(key) }
            guard scanner.take(":") else { break }
            _ = scanner.value()
            guard scanner.take(",") else { break }
        }
        return keys
    }

    private static func head(
        of path: String
    ) throws -> (head: [UInt8], samples: [UInt8], isWhole: Bool) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            throw FileError.unreadable(
                path: path, reason: String(cString: strerror(errno)).lowercased())
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw FileError.unreadable(
                path: path, reason: "expected a file, found a device or pipe")
        }
        guard status.st_size > 0 else {
            throw FileError.unreadable(path: path, reason: "the file is empty")
        }
        var head = [UInt8](repeating: 0, count: headSize)
        let count = max(read(file, &head, headSize), 0)
        head.removeSubrange(count...)
        if head.starts(with: [0xEF, 0xBB, 0xBF]) { head.removeFirst(3) }
        let size = Int(status.st_size)
        var samples: [UInt8] = []
        if count < size {
            var piece = [UInt8](repeating: 0, count: 4096)
            for part in 1...7 {
                let got = pread(file, &piece, piece.count, off_t(size / 8 * part))
                samples += piece.prefix(max(got, 0))
            }
        }
        return (head, samples, count == size)
    }
}

/// What formats look at in a folder.
struct FolderProbe: Sendable {
    let path: String

    func hasFolder(_ name: String) -> Bool {
        FolderListing.isFolder(LabelFiles.join(path, name))
    }

    func hasFile(_ name: String) -> Bool {
        FolderListing.isFile(LabelFiles.join(path, name))
    }

    /// The first file of a kind in a folder in it, or in the folder itself; nil if there is none.
    func firstFile(in name: String? = nil, withExtension fileExtension: String) -> FileProbe? {
        let folder = name.map { LabelFiles.join(path, $0) } ?? path
        guard let listing = try? FolderListing(folder),
            let file = listing.files(withExtensions: [fileExtension]).first
        else { return nil }
        return try? FileProbe(path: LabelFiles.join(folder, file))
    }
}
