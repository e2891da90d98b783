import Foundation
import Glibc

/// Writes a whole small file under a temporary name and renames it into place.
package func writeWholeFile(_ bytes: some Collection<UInt8>, to path: String) throws(FileError) {
    var file = try OutputFile(path: path)
    try file.write(bytes)
    try file.commit()
}

package func writeWholeFile(_ text: String, to path: String) throws(FileError) {
    try writeWholeFile(text.utf8, to: path)
}

/// Creates a folder and those above it.
package func makeDirectory(_ path: String) throws(FileError) {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
        if isFolder.boolValue { return }
        throw .fileSystem(path: path, action: "be a folder", errno: EEXIST)
    }
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
    if parent != path { try makeDirectory(parent) }
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
        throw .fileSystem(path: path, action: "create the folder", errno: errno)
    }
}
