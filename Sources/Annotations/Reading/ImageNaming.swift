import Foundation

/// The names of images whose data sets leave them out or put folders of a download before them:
/// LVIS (SPEC §11: the last two components of `coco_url`) and Objects365 (`images/v1/patch8/…`).
///
/// With a folder of images the first of the possible names that is a file there is taken, so that
/// both the published layout and a flat folder work.
package struct ImageNaming {
    /// Nil takes the longest name.
    package var directory: String?
    /// `coco_url` counts even where there is a `file_name`.
    package var prefersURL = false
    /// The data set whose names were met.
    private(set) var found: AnnotationFormat?

    package init(directory: String? = nil, prefersURL: Bool = false) {
        self.directory = directory
        self.prefersURL = prefersURL
    }

    package mutating func name(fileName: String?, cocoURL: String?) -> String? {
        if let cocoURL, fileName == nil || prefersURL {
            found = .lvis
            let parts = cocoURL.split(separator: "/", omittingEmptySubsequences: false)
            return existing([parts.suffix(2).joined(separator: "/"), String(parts.last ?? "")])
        }
        guard let fileName, fileName.utf8.first != UInt8(ascii: "/"), fileName.contains("patch")
        else { return fileName }
        let parts = fileName.split(separator: "/")
        guard let patch = parts.dropLast().lastIndex(where: Self.isPatch) else { return fileName }
        found = .objects365
        return existing([
            fileName, parts[patch...].joined(separator: "/"), String(parts.last ?? ""),
        ])
    }

    private static func isPatch(_ part: Substring) -> Bool {
        part.hasPrefix("patch") && part.utf8.count > 5
            && part.utf8.dropFirst(5).allSatisfy { (0x30...0x39).contains($0) }
    }

    private func existing(_ names: [String]) -> String? {
        guard let directory else { return names.first }
        return names.first {
            ImageRecord.fault(in: $0) == nil && access(directory + "/" + $0, F_OK) == 0
        } ?? names.first
    }
}
