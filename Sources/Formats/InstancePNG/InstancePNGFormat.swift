public import Annotations

/// A PNG an instance.
struct InstancePNGFormat: Format {
    let name = AnnotationFormat.png
    let summary = "folder: a PNG a mask, annotations.json"
    let toldBy = "`annotations.json` beside a folder `masks`"

    func recognizes(_ folder: FolderProbe) -> Bool {
        folder.hasFolder(InstancePNGReader.maskFolder)
            && folder.hasFile(InstancePNGReader.fileName)
    }

    func read(_ source: AnnotationSource) throws -> AnnotationFile {
        try InstancePNGReader.read(source)
    }

    var writer: FormatWriter? { .folder { file, _ in InstancePNGWriter(file) } }
}

extension AnnotationFormat {
    public static let png = AnnotationFormat("png")
}
