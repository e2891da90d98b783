/// A zip file of stored entries, taken apart and put together again. Trusts what it reads: its
/// files are ours.
struct ZipFile {
    var entries: [(name: [UInt8], data: [UInt8])] = []

    /// Nil for files of another kind.
    init?(_ file: [UInt8]) {
        func number(_ place: Int, _ size: Int) -> Int {
            file[place..<place + size].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        let end = file.count - 22
        guard end >= 0, number(end, 4) == 0x0605_4B50 else { return nil }
        var place = number(end + 16, 4)
        for _ in 0..<number(end + 10, 2) {
            let (nameLength, size) = (number(place + 28, 2), number(place + 24, 4))
            let name = Array(file[place + 46..<place + 46 + nameLength])
            let local = number(place + 42, 4)
            let start = local + 30 + number(local + 26, 2) + number(local + 28, 2)
            entries.append((name, Array(file[start..<start + size])))
            place += 46 + nameLength + number(place + 30, 2) + number(place + 32, 2)
        }
    }

    private func index(_ suffix: String) -> Int? {
        entries.firstIndex { String(decoding: $0.name, as: UTF8.self).hasSuffix("/" + suffix) }
    }

    func entry(_ suffix: String) -> [UInt8]? { index(suffix).map { entries[$0].data } }

    /// Changes the pickle mostly, now and then another entry, a name or the list of entries.
    mutating func change(_ random: inout Random, _ mutate: Mutator) {
        let place = random.below(entries.count)
        switch random.below(16) {
        case 0: entries[place].data = mutate(entries[place].data, &random)
        case 1: entries[place].name = mutate(entries[place].name, &random)
        case 2: entries.remove(at: place)
        case 3: entries.append(entries[place])
        default:
            guard let pickle = index("data.pkl") else { return }
            entries[pickle].data = mutate(entries[pickle].data, &random)
        }
    }

    /// The file, without alignment and checksums, which nobody reads.
    var bytes: [UInt8] {
        func little(_ value: Int, _ size: Int) -> [UInt8] {
            (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for (name, data) in entries {
            let fields =
                little(0, 12) + little(data.count, 4) + little(data.count, 4)
                + little(name.count, 2)
            directory += [0x50, 0x4B, 1, 2] + little(0, 4) + fields + little(0, 12)
            directory += little(file.count, 4) + name
            file += [0x50, 0x4B, 3, 4] + little(0, 2) + fields + little(0, 2) + name + data
        }
        let end =
            [0x50, 0x4B, 5, 6] + little(0, 4) + little(entries.count, 2) + little(entries.count, 2)
            + little(directory.count, 4) + little(file.count, 4) + little(0, 2)
        return file + directory + end
    }
}
