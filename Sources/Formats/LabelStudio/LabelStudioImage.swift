import Files
import Foundation

/// How Label Studio names the image of a task.
enum LabelStudioImage {
    /// The address in a task's data: under `image`, or what looks like an image.
    static func address(in data: JSONValue) -> String? {
        let members = data.members
        if let text = members["image"]?.text { return text }
        let texts = members.all.compactMap(\.value.text)
        return texts.first { kinds.contains(FolderListing.fileExtension(of: path(of: $0))) }
            ?? texts.first
    }

    private static let kinds: Set<String> = ["jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff"]

    /// Names under which the image may be in the images folder: whole, then with ever fewer folders,
    /// then without what an upload puts in front.
    static func names(of address: String) -> [String] {
        let parts = path(of: address).split { $0 == "/" || $0 == "\\" }.map(String.init)
        guard let last = parts.last else { return [address] }
        var names = parts.indices.map { parts[$0...].joined(separator: "/") }
        if !address.contains("local-files/"), address.contains("/") || address.contains("\\") {
            // Folders of a server or a bucket say nothing about this machine's.
            names = [last] + names.dropLast()
        }
        if let dash = last.firstIndex(of: "-"), last[..<dash].count >= 4,
            last[..<dash].allSatisfy(\.isHexDigit)
        {
            names.append(String(last[last.index(after: dash)...]))
        }
        return names
    }

    /// Without server and query, and what local storage puts in front.
    private static func path(of address: String) -> String {
        if let local = address.range(of: "local-files/?d=") {
            let rest = address[local.upperBound...]
            return rest.removingPercentEncoding ?? String(rest)
        }
        guard address.contains("://") || address.hasPrefix("/data/") else { return address }
        let path = address.prefix { $0 != "?" }
        return path.removingPercentEncoding ?? String(path)
    }
}
