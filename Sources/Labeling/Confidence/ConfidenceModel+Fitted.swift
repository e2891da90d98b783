// Written by tools/confidence/fit.py; do not edit. Model: default, mal 0.1.0.
// 380 training boxes labelled four ways (mean agreement 0.851),
// 69 outlines drawn by hand (mean IoU 0.663); held out, the score's
// correlation with their IoU is 0.33, its mean distance 0.128.

extension ConfidenceModel {
    /// The estimate that `mal label` writes.
    package static let standard = ConfidenceModel(
        bias: 0.4139,
        terms: [
            .init(
                "certainty", mean: 0.9186, deviation: 0.0363, weight: 0.0584),
            .init(
                "soft_iou", mean: 0.8200, deviation: 0.0866, weight: 0.0620),
            .init(
                "stability", mean: 0.6948, deviation: 0.1459, weight: 0.0706),
            .init(
                "ambiguity", mean: 0.4140, deviation: 0.1695, weight: -0.0445),
            .init(
                "fill", mean: 0.7063, deviation: 0.1183, weight: 0.1247),
            .init(
                "gap", mean: 0.0340, deviation: 0.0335, weight: 0.0096),
            .init(
                "worst_gap", mean: 0.0815, deviation: 0.0707, weight: -0.0281),
            .init(
                "projection", mean: 0.9235, deviation: 0.0567, weight: -0.0778),
            .init(
                "islands", mean: 0.0003, deviation: 0.0033, weight: 0.0479),
            .init(
                "pieces", mean: 1.0187, deviation: 0.1177, weight: 0.0302),
            .init(
                "holes", mean: 0.0004, deviation: 0.0039, weight: -0.0581),
            .init(
                "border_contrast", mean: 0.0567, deviation: 0.0367, weight: -0.0707),
            .init(
                "contrast_ratio", mean: 0.3304, deviation: 0.4415, weight: 0.0894),
            .init(
                "color_separation", mean: 0.2218, deviation: 0.1352, weight: 0.1222),
            .init(
                "cut", mean: 0.1955, deviation: 0.1527, weight: -0.1281),
            .init(
                "roughness", mean: 2.1987, deviation: 0.1530, weight: -0.0595),
            .init(
                "log_area", mean: 10.4620, deviation: 3.1414, weight: 0.1725),
            .init(
                "log_aspect", mean: 0.8787, deviation: 0.6223, weight: -0.0526),
            .init(
                "at_image_edge", mean: 0.0520, deviation: 0.1137, weight: 0.0058),
            .init(
                "center", mean: 0.9842, deviation: 0.0454, weight: 0.0176),
            .init(
                "overlap", mean: 0.0092, deviation: 0.0370, weight: -0.0592),
            .init(
                "covered", mean: 0.0065, deviation: 0.0366, weight: 0.0364),
            .init(
                "mask_covered", mean: 0.0058, deviation: 0.0370, weight: -0.0015),
        ],
        knots: [
            (0.00, 0.0000), (0.05, 0.0976), (0.10, 0.1646), (0.15, 0.2221), (0.20, 0.2741),
            (0.25, 0.3223), (0.30, 0.3678), (0.35, 0.4113), (0.40, 0.4533), (0.45, 0.4942),
            (0.50, 0.5344), (0.55, 0.5742), (0.60, 0.6138), (0.65, 0.6535), (0.70, 0.6937),
            (0.75, 0.7348), (0.80, 0.7773), (0.85, 0.8219), (0.90, 0.8700), (0.95, 0.9241),
            (1.00, 1.0000),
        ])
}
