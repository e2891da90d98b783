import CFiles
import Foundation

extension OutputFolder {
    /// The manifests that folders of mal have.
    private static let markers = [exportMarker, reportMarker]
    package static let exportMarker = ".mal-export"
    package static let reportMarker = ".mal-report"

    /// Gives a complete folder its name; an earlier one is then where the new one was.
    ///
    /// - Returns: false, with the reason in `errno`, when all is as it was before.
    static func put(
        _ work: String, at place: OutputPlace, insteadOfFolder isThere: Bool
    ) throws(FileError) -> Bool {
        guard isThere else { return cf_rename_to_free(work, place.path) == 0 || plain(work, place) }
        if cf_exchange(work, place.path) == 0 { return true }
        guard errno == EINVAL || errno == ENOSYS || errno == ENOTSUP else { return false }
        // A file system without exchange: a moment lies between two renames, and who is killed in
        // it finds the earlier folder put back by the next run.
        guard try StandingFolder(place.path, marker: marker(of: work)).foreign.isEmpty else {
            throw .unwritable(
                path: place.path,
                reason: "it holds files that are not mal's, and this file system can't exchange "
                    + "folders; move them out")
        }
        let old = place.temporaryPath("old")
        guard rename(place.path, old) == 0 else { return false }
        guard rename(work, place.path) == 0 else {
            let code = errno
            rename(old, place.path)
            errno = code
            return false
        }
        rename(old, work)
        return true
    }

    private static func plain(_ work: String, _ place: OutputPlace) -> Bool {
        guard errno == EINVAL || errno == ENOSYS || errno == ENOTSUP else { return false }
        return rename(work, place.path) == 0
    }

    /// Removes what is left of an earlier folder after the exchange: mal's own files, and the second
    /// names of others'. What came in meanwhile goes where it belongs.
    ///
    /// - Returns: whether all of it is gone.
    static func clear(_ old: String, besides new: String) -> Bool {
        guard let entries = try? StandingFolder.entries(of: old) else {
            return access(old, F_OK) != 0
        }
        let marker = marker(of: old)
        let manifest = Manifest(old, name: marker)
        for (path, isFolder) in entries.reversed() where path != marker {
            let (from, to) = (old + "/" + path, new + "/" + path)
            if isFolder {
                rmdir(from)
            } else if manifest.entry(path) != nil || isSame(from, to) {
                unlink(from)
            } else {
                try? FileManager.default.createDirectory(
                    atPath: to.folderPath,
                    withIntermediateDirectories: true)
                _ = cf_rename_to_free(from, to)
            }
        }
        // The manifest last: until then it tells what is mal's.
        guard (try? StandingFolder.entries(of: old))?.allSatisfy({ $0.path == marker }) == true
        else { return false }
        unlink(old + "/" + marker)
        return rmdir(old) == 0
    }

    /// Puts in order what a killed process left beside an output.
    static func recover(_ place: OutputPlace) {
        for old in place.leftovers("old") where cf_rename_to_free(old, place.path) != 0 {
            _ = clear(old, besides: place.path)
        }
        for left in place.leftovers("partial") {
            if FileStamp.size(of: left) != nil {
                unlink(left)
            } else if FileStamp.size(of: left + "/" + marker(of: left)) != nil {
                _ = clear(left, besides: place.path)
            } else {
                // It was never complete: all in it is mal's, or has its first name elsewhere.
                try? FileManager.default.removeItem(atPath: left)
            }
        }
    }

    private static func marker(of folder: String) -> String {
        markers.first { FileStamp.size(of: folder + "/" + $0) != nil } ?? markers[0]
    }

    private static func isSame(_ first: String, _ second: String) -> Bool {
        var (one, two) = (stat(), stat())
        return lstat(first, &one) == 0 && lstat(second, &two) == 0 && one.st_ino == two.st_ino
            && one.st_dev == two.st_dev
    }
}
