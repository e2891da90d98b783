/// All formats, in the order in which they are looked for and shown.
enum Formats {
    static let all: [any Format] = [
        COCOFormat.compressed, COCOFormat.runLengths, COCOFormat.polygons, COCOFormat.lvis,
        COCOFormat.objects365,
        YTVISFormat(),
        DetectionsFormat(),
        CSVFormat(),
        YOLOFormat.polygons, YOLOFormat.boxes, YOLOFormat.poses,
        LabelMeFormat(),
        KITTIFormat(),
        VOCFormat(),
        VOCMaskFormat(),
        MOTSFormat.images, MOTSFormat.text,
        InstancePNGFormat(),
        SemanticFormat(),
    ]
}
