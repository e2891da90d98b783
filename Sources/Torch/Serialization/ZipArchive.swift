import Foundation

/// The directory of a zip file as `torch.save` writes it: stored entries, no encryption.
///
/// Checksums are not compared, as in PyTorch itself, which can also be told not to write them.
struct ZipArchive: Sendable {
    /// Where the bytes of each entry lie in the file.
    let entries: [String: Range<Int>]
    /// A compressed entry, when there is one; `torch.save` never writes any.
    let compressedName: String?
    let file: MappedFile

    static let maximumEntryCount = 500_000

    init(_ file: MappedFile) throws(CheckpointError) {
        self.file = file
        let directory = try Directory(file)
        var entries: [String: Range<Int>] = [:]
        var spans: [Range<Int>] = []
        var compressedName: String?
        var position = directory.range.lowerBound
        for _ in 0..<directory.entryCount {
            let entry = try Self.entry(at: &position, before: directory.range, of: file)
            guard entries.updateValue(entry.bytes, forKey: entry.name) == nil else {
                throw file.failure(
                    .damaged, "the zip entry \(entry.name.printable) occurs twice")
            }
            spans.append(entry.span)
            if entry.isCompressed { compressedName = entry.name }
        }
        spans.sort { $0.lowerBound < $1.lowerBound }
        for (span, next) in zip(spans, spans.dropFirst()) where span.overlaps(next) {
            throw file.failure(.damaged, "two zip entries overlap at byte \(next.lowerBound)")
        }
        self.entries = entries
        self.compressedName = compressedName
    }

    private struct Entry {
        let name: String
        let bytes: Range<Int>
        /// The local header and the bytes.
        let span: Range<Int>
        let isCompressed: Bool
    }

    /// Reads one record of the central directory and the local header that it points to.
    private static func entry(
        at position: inout Int, before directory: Range<Int>, of file: MappedFile
    ) throws(CheckpointError) -> Entry {
        let start = position
        guard file.matches([0x50, 0x4B, 0x01, 0x02], at: start),
            let flags = file.integer(UInt16.self, at: start + 8),
            let method = file.integer(UInt16.self, at: start + 10),
            let compressed = file.integer(UInt32.self, at: start + 20),
            let plain = file.integer(UInt32.self, at: start + 24),
            let nameLength = file.integer(UInt16.self, at: start + 28),
            let extraLength = file.integer(UInt16.self, at: start + 30),
            let commentLength = file.integer(UInt16.self, at: start + 32),
            let offset = file.integer(UInt32.self, at: start + 42),
            case let nameEnd = start + 46 + Int(nameLength),
            case let extraEnd = nameEnd + Int(extraLength),
            case let end = extraEnd + Int(commentLength),
            end <= directory.upperBound
        else {
            throw file.failure(.damaged, "the zip directory is broken at byte \(start)")
        }
        position = end
        let nameBytes = file.bytes(start + 46..<nameEnd)
        guard let name = String(validating: nameBytes, as: UTF8.self), !name.isEmpty else {
            throw file.failure(.damaged, "a zip entry's name is not UTF-8 (byte \(start))")
        }
        guard flags & 1 == 0 else {
            throw file.failure(
                .encrypted, "the zip entry \(name.printable) is encrypted with a password")
        }
        let fields = try zip64(
            [plain, compressed, offset], extra: nameEnd..<extraEnd, of: file, name: name)
        guard method != 0 || fields[0] == fields[1] else {
            throw file.failure(
                .damaged, "the stored zip entry \(name.printable) has two different sizes")
        }
        let local = fields[2]
        guard local <= directory.lowerBound - 30,
            file.matches([0x50, 0x4B, 0x03, 0x04], at: local),
            let localNameLength = file.integer(UInt16.self, at: local + 26),
            let localExtraLength = file.integer(UInt16.self, at: local + 28),
            file.matches(nameBytes, at: local + 30), localNameLength == nameLength,
            case let data = local + 30 + Int(localNameLength) + Int(localExtraLength),
            data <= directory.lowerBound, fields[1] <= directory.lowerBound - data
        else {
            throw file.failure(
                .damaged, "the zip entry \(name.printable) does not lie inside the file")
        }
        let dataEnd = data + fields[1]
        return Entry(
            name: name, bytes: data..<dataEnd, span: local..<dataEnd, isCompressed: method != 0)
    }

    /// The 64-bit values of those fields that hold 0xFFFFFFFF, out of the entry's extra data.
    private static func zip64(
        _ fields: [UInt32], extra: Range<Int>, of file: MappedFile, name: String
    ) throws(CheckpointError) -> [Int] {
        var result = fields.map { Int($0) }
        guard fields.contains(.max) else { return result }
        var position = extra.lowerBound
        while let id = file.integer(UInt16.self, at: position),
            let length = file.integer(UInt16.self, at: position + 2),
            case let end = position + 4 + Int(length), end <= extra.upperBound
        {
            if id == 1 {
                var source = position + 4
                for (index, field) in fields.enumerated() where field == .max {
                    guard source + 8 <= end, let wide = file.integer(UInt64.self, at: source),
                        let value = Int(exactly: wide)
                    else { break }
                    result[index] = value
                    source += 8
                }
                return result
            }
            position = end
        }
        throw file.failure(
            .damaged, "the zip entry \(name.printable) lacks its 64-bit sizes")
    }
}

/// Where the central directory of a zip file lies, from the record at its end.
private struct Directory {
    let range: Range<Int>
    let entryCount: Int

    init(_ file: MappedFile) throws(CheckpointError) {
        guard let end = Self.endRecord(of: file),
            var entryCount = file.integer(UInt16.self, at: end + 10).map({ UInt64($0) }),
            var size = file.integer(UInt32.self, at: end + 12).map({ UInt64($0) }),
            var offset = file.integer(UInt32.self, at: end + 16).map({ UInt64($0) })
        else {
            throw file.failure(
                .truncated,
                "begins like a zip file and ends without a zip directory; was the download or "
                    + "copy cut short?")
        }
        var limit = end
        if file.matches([0x50, 0x4B, 0x06, 0x07], at: end - 20) {
            guard let place = file.integer(UInt64.self, at: end - 12),
                let wide = Int(exactly: place), wide <= end - 20 - 56,
                file.matches([0x50, 0x4B, 0x06, 0x06], at: wide),
                let count = file.integer(UInt64.self, at: wide + 32),
                let bytes = file.integer(UInt64.self, at: wide + 40),
                let start = file.integer(UInt64.self, at: wide + 48)
            else { throw file.failure(.damaged, "the 64-bit zip directory record is broken") }
            (entryCount, size, offset, limit) = (count, bytes, start, wide)
        }
        guard entryCount <= ZipArchive.maximumEntryCount else {
            throw file.failure(.damaged, "claims \(entryCount) zip entries")
        }
        guard let start = Int(exactly: offset), let length = Int(exactly: size),
            start <= limit, length <= limit - start, entryCount <= length / 46
        else { throw file.failure(.damaged, "the zip directory does not lie inside the file") }
        range = start..<start + length
        self.entryCount = Int(entryCount)
    }

    /// The end-of-directory record: the last one whose comment ends with the file.
    private static func endRecord(of file: MappedFile) -> Int? {
        var position = file.count - 22
        let lowest = max(0, file.count - 22 - 0xFFFF)
        while position >= lowest {
            if file.matches([0x50, 0x4B, 0x05, 0x06], at: position),
                let comment = file.integer(UInt16.self, at: position + 20),
                position + 22 + Int(comment) == file.count
            {
                return position
            }
            position -= 1
        }
        return nil
    }
}
