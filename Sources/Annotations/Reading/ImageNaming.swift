import Foundation

/// The names of images as COCO files have them, also of data sets that leave them out or put folders
/// of a download before them: LVIS (SPEC §11: the last two components of `coco_url`) and Objects365
/// (`images/v1/patch8/…`).
package struct ImageNaming {
    /// Looks up which of the possible names is a file; nil takes the first.
    package var finder: ImageFinder?
    /// `coco_url` counts even where there is a `file_name`.
    package var prefersURL = false
    /// The data set whose names were met.
    private(set) var found: AnnotationFormat?

    package init(finder: ImageFinder? = nil, prefersURL: Bool = false) {
        self.finder = finder
        self.prefersURL = prefersURL
    }

    package mutating func name(fileName: String?, cocoURL: String?) -> String? {
        if let cocoURL, fileName == nil || prefersURL {
            found = .lvis
            let parts = cocoURL.split(separator: "/", omittingEmptySubsequences: false)
            return existing([parts.suffix(2).joined(separator: "/"), String(parts.last ?? "")])
        }
        guard let fileName else { return nil }
        guard fileName.utf8.first != UInt8(ascii: "/"), fileName.contains("patch") else {
            return existing(ImageFinder.spellings(of: fileName))
        }
        let parts = fileName.split(separator: "/")
        guard let patch = parts.dropLast().lastIndex(where: Self.isPatch) else {
            return existing(ImageFinder.spellings(of: fileName))
        }
        found = .objects365
        return existing([
            fileName, parts[patch...].joined(separator: "/"), String(parts.last ?? ""),
        ])
    }

    private static func isPatch(_ part: Substring) -> Bool {
        part.hasPrefix("patch") && part.utf8.count > 5
            && part.utf8.dropFirst(5).allSatisfy { (0x30...0x39).contains($0) }
    }

    private func existing(_ names: [String]) -> String? { finder?.find(names) ?? names.first }
}
