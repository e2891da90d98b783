package import Foundation
import Glibc

/// Writes a whole small file under a temporary name and renames it into place.
package func writeWholeFile(_ bytes: some DataProtocol, to path: String) throws(LabelingError) {
    let partial = path + ".partial"
    let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .fileSystem(path: path, action: "create", errno: errno) }
    defer { close(descriptor) }
    let data = Array(bytes)
    var done = 0
    while done < data.count {
        let count = data.withUnsafeBytes {
            write(descriptor, $0.baseAddress! + done, $0.count - done)
        }
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw .fileSystem(path: path, action: "write", errno: errno) }
        done += count
    }
    guard fsync(descriptor) == 0, rename(partial, path) == 0 else {
        throw .fileSystem(path: path, action: "write", errno: errno)
    }
}

package func writeWholeFile(_ text: String, to path: String) throws(LabelingError) {
    try writeWholeFile(Array(text.utf8), to: path)
}

package func removeFile(_ path: String) { unlink(path) }
