import Files
import Glibc
import HTTPTypes

/// The folders whose images requests may name. Nothing else is ever opened for one: neither `..` nor a symbolic
/// link leads out, also when it changes while it is looked at.
struct ImageFolders: Sendable {
    /// As the system calls them, without links.
    private let roots: [String]
    private static let fileLimit = 1 << 30

    /// - Throws: `FileError` for what is no folder.
    init(_ paths: [String]) throws(FileError) {
        var roots: [String] = []
        for path in paths {
            guard let root = realpath(path, nil) else {
                throw .unreadable(path: path, reason: String(cString: strerror(errno)))
            }
            defer { free(root) }
            let descriptor = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw .unreadable(path: path, reason: "expected a folder it may read")
            }
            close(descriptor)
            roots.append(String(cString: root))
        }
        self.roots = roots
    }

    var isEmpty: Bool { roots.isEmpty }

    /// The bytes of a file below one of the folders, which count as long as `hold` lives.
    ///
    /// - Throws: ``Refusal``, with the same words for what is outside as for what is not there.
    func read(_ path: String, _ hold: MemoryBudget.Hold? = nil) throws -> [UInt8] {
        guard !path.utf8.contains(0), path.utf8.count < 4096 else {
            throw Refusal.wrong("image.path: expected a path below --images, found \(path.quoted)")
        }
        for root in roots {
            guard let descriptor = try? SafeFile.open(root + "/" + path) else { continue }
            defer { close(descriptor) }
            guard let place = Self.place(of: descriptor),
                place.hasPrefix(root == "/" ? root : root + "/")
            else { continue }
            do {
                let size = try SafeFile.size(of: descriptor, path, limit: Self.fileLimit)
                try hold?.add(size)
                return try SafeFile.read(descriptor, path, size: size)
            } catch {
                throw error as? Refusal ?? .wrong("\(error)")
            }
        }
        throw Refusal(.notFound, "\(printable(path)): no such image below --images")
    }

    /// Where an open file is, by the system's own account.
    private static func place(of descriptor: Int32) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = readlink("/proc/self/fd/\(descriptor)", &buffer, Int(PATH_MAX))
        guard count > 0 else { return nil }
        return String(
            decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
