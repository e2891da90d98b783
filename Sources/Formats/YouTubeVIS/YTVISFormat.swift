public import Annotations

/// YouTube-VIS JSON: one record an instance, with a box a frame.
struct YTVISFormat: Format {
    let name = AnnotationFormat.ytvis
    let summary = "YouTube-VIS JSON (a folder of images is a video)"
    let toldBy = "the key `videos`"

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "{") && file.keys.contains("videos") && !file.keys.contains("images")
    }

    func read(_ source: AnnotationSource) throws -> AnnotationFile {
        try VideoReader.read(source)
    }

    var writer: FormatWriter? { .file { YTVISWriter(file: $0, options: $1) } }
}

extension AnnotationFormat {
    public static let ytvis = AnnotationFormat("ytvis")
}
