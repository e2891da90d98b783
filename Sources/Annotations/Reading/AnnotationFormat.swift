/// The name of a format in which boxes and masks come and go, as `--format` and `--to` take it.
///
/// The module Formats lists all of them; each has a folder there.
public struct AnnotationFormat: Hashable, Sendable, CustomStringConvertible {
    public let name: String

    package init(_ name: String) {
        self.name = name
    }

    public var description: String { name }

    /// COCO JSON.
    public static let coco = AnnotationFormat("coco")
    /// COCO JSON as LVIS v1 has it: images without `file_name`, named by their `coco_url`.
    public static let lvis = AnnotationFormat("lvis")
    /// COCO JSON as Objects365 has it: names that begin with folders of the download.
    public static let objects365 = AnnotationFormat("objects365")
}
