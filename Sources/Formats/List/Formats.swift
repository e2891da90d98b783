/// All formats, in the order in which they are looked for and shown.
enum Formats {
    static let all: [any Format] = [
        COCOFormat.compressed, COCOFormat.runLengths, COCOFormat.polygons, COCOFormat.lvis,
        COCOFormat.objects365,
        PanopticFormat(),
        YTVISFormat(),
        DetectionsFormat(),
        LabelStudioFormat(), DatumaroFormat(),
        VIAFormat(), CreateMLFormat(), OpenImagesFormat(),
        CSVFormat(),
        YOLOFormat.polygons, YOLOFormat.boxes, YOLOFormat.poses,
        LabelMeFormat(), SuperviselyFormat(),
        KITTIFormat(),
        CVATFormat(),
        VOCMaskFormat.colors,
        VOCFormat(),
        VOCMaskFormat.numbers,
        MOTSFormat.images, MOTSFormat.text,
        InstancePNGFormat(),
        SemanticFormat(),
    ]
}
