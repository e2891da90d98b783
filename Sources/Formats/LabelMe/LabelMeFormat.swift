public import Annotations

/// LabelMe JSON, a file an image.
struct LabelMeFormat: RecordFormat {
    let name = AnnotationFormat.labelme
    let summary = "folder: a JSON file an image"
    let toldBy = "the key `shapes`, `imagePath` or `imageData`; a folder of such .json files"
    let hasPolygons = true
    let keys: Set<String> = ["shapes", "imagePath", "imageData", "imageHeight", "imageWidth"]
    let hasFileAnImage = true

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "{") && !file.keys.isDisjoint(with: ["shapes", "imagePath", "imageData"])
            && file.keys.isDisjoint(with: ["images", "videos"])
    }

    func read(_ source: AnnotationSource, into records: inout ImportedRecords) throws {
        try LabelMeReader(source).read(into: &records)
    }

    var writer: FormatWriter? { .folder { LabelMeWriter($0, options: $1) } }
}

extension AnnotationFormat {
    public static let labelme = AnnotationFormat("labelme")
}
