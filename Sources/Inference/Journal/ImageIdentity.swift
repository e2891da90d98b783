import Files
import Glibc

/// What an image file was when it was read: a result holds as long as the file is still that.
package struct ImageIdentity: Equatable, Sendable {
    /// In bytes; -1 where there was no file.
    package var byteCount: Int64 = -1
    /// When its content was written, and when anything of it was, in nanoseconds since 1970. The latter
    /// nobody can set.
    package var modified: Int64 = 0
    package var changed: Int64 = 0
    /// Of its bytes; 0 where they could not be read.
    package var hash: UInt64 = 0

    package static let absent = ImageIdentity()

    package init() {}

    /// Size and times of the file that is there, without its hash.
    package init(stampOf path: String) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return }
        byteCount = Int64(status.st_size)
        modified = Self.nanoseconds(status.st_mtim)
        changed = Self.nanoseconds(status.st_ctim)
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    package enum State: Sendable {
        case same, changed
        /// There is no file any more.
        case gone
    }

    /// What became of it. The file is read only where its times tell nothing: another machine's copy.
    package func state(at path: String) -> State {
        let now = ImageIdentity(stampOf: path)
        guard now.byteCount >= 0 else { return byteCount < 0 ? .same : .gone }
        guard byteCount == now.byteCount else { return .changed }
        if modified == now.modified, changed == now.changed { return .same }
        return ((try? ContentHash.hash(file: path)) ?? 0) == hash ? .same : .changed
    }
}
