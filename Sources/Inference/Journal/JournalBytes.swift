/// Little-endian writing of the journal's few types.
struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func put(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ value: [UInt8]) {
        put(UInt32(value.count))
        bytes += value
    }

    mutating func put(_ identity: ImageIdentity) {
        put(identity.byteCount)
        put(identity.modified)
        put(identity.changed)
        put(identity.hash)
    }

    mutating func put(_ notes: MaskNotes) {
        put(UInt32(notes.features?.values.count ?? 0))
        for value in notes.features?.values ?? [] { put(value.bitPattern) }
        put(UInt8(notes.cleanup == nil ? 0 : 1))
        guard let cleanup = notes.cleanup else { return }
        put(UInt64(cleanup.outsidePixels))
        put(UInt64(cleanup.islands))
        put(UInt64(cleanup.holes))
        put(UInt64(cleanup.changedPixels))
        put(cleanup.changedCounts)
    }
}

/// Reading of what `ByteWriter` wrote. Past the end it gives zeros: a forged file must not trap.
struct ByteReader {
    let bytes: [UInt8]
    var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func take<T: FixedWidthInteger>(_ type: T.Type) -> T {
        let size = MemoryLayout<T>.size
        guard position >= 0, position <= bytes.count - size else {
            position = bytes.count
            return 0
        }
        defer { position += size }
        return bytes.withUnsafeBytes {
            T(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: T.self))
        }
    }

    mutating func takeBytes() -> [UInt8] {
        let length = min(Int(take(UInt32.self)), bytes.count - position)
        defer { position += length }
        return Array(bytes[position..<position + length])
    }

    mutating func takeIdentity() -> ImageIdentity {
        var identity = ImageIdentity()
        identity.byteCount = take(Int64.self)
        identity.modified = take(Int64.self)
        identity.changed = take(Int64.self)
        identity.hash = take(UInt64.self)
        return identity
    }

    mutating func takeNotes() -> MaskNotes {
        var notes = MaskNotes()
        let count = Int(take(UInt32.self))
        if count == MaskFeatures.names.count {
            notes.features = MaskFeatures(
                values: (0..<count).map { _ in Float(bitPattern: take(UInt32.self)) })
        }
        guard take(UInt8.self) == 1 else { return notes }
        notes.cleanup = CleanupRecord(
            outsidePixels: Int(clamping: take(UInt64.self)),
            islands: Int(clamping: take(UInt64.self)), holes: Int(clamping: take(UInt64.self)),
            changedCounts: [])
        notes.cleanup?.changedPixels = Int(clamping: take(UInt64.self))
        notes.cleanup?.changedCounts = takeBytes()
        return notes
    }
}
