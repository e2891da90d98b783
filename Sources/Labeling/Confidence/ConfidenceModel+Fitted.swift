// Written by tools/confidence/fit.py; do not edit. Model: mal-vits14, mal 0.1.0.
// 380 training boxes labelled four ways (mean agreement 0.876),
// 69 outlines drawn by hand (mean IoU 0.698); held out, the score's
// correlation with their IoU is 0.46, its mean distance 0.112.

extension ConfidenceModel {
    /// The estimate that `mal label` writes.
    package static let standard = ConfidenceModel(
        bias: 0.7280,
        terms: [
            .init(
                "certainty", mean: 0.9559, deviation: 0.0147, weight: 0.0678),
            .init(
                "soft_iou", mean: 0.9173, deviation: 0.0269, weight: 0.0524),
            .init(
                "stability", mean: 0.8742, deviation: 0.0427, weight: -0.0031),
            .init(
                "ambiguity", mean: 0.1742, deviation: 0.0572, weight: -0.0864),
            .init(
                "fill", mean: 0.6512, deviation: 0.1016, weight: 0.0784),
            .init(
                "gap", mean: 0.0236, deviation: 0.0206, weight: -0.0290),
            .init(
                "worst_gap", mean: 0.0668, deviation: 0.0577, weight: 0.0294),
            .init(
                "projection", mean: 0.9440, deviation: 0.0375, weight: -0.0238),
            .init(
                "islands", mean: 0.0013, deviation: 0.0088, weight: -0.0310),
            .init(
                "pieces", mean: 1.0343, deviation: 0.1594, weight: -0.0087),
            .init(
                "holes", mean: 0.0005, deviation: 0.0046, weight: 0.0028),
            .init(
                "border_contrast", mean: 0.0752, deviation: 0.0498, weight: 0.0078),
            .init(
                "contrast_ratio", mean: 0.6568, deviation: 0.4984, weight: 0.0607),
            .init(
                "color_separation", mean: 0.2555, deviation: 0.1538, weight: 0.1538),
            .init(
                "cut", mean: 0.1469, deviation: 0.1039, weight: -0.0749),
            .init(
                "roughness", mean: 2.3145, deviation: 0.1941, weight: -0.1216),
            .init(
                "log_area", mean: 10.4620, deviation: 3.1414, weight: 0.0381),
            .init(
                "log_aspect", mean: 0.8787, deviation: 0.6223, weight: -0.0170),
            .init(
                "at_image_edge", mean: 0.0520, deviation: 0.1137, weight: 0.0023),
            .init(
                "center", mean: 0.9769, deviation: 0.0797, weight: -0.0231),
            .init(
                "overlap", mean: 0.0092, deviation: 0.0370, weight: -0.0137),
            .init(
                "covered", mean: 0.0065, deviation: 0.0366, weight: 0.0350),
            .init(
                "mask_covered", mean: 0.0056, deviation: 0.0343, weight: 0.0163),
        ],
        knots: [
            (0.00, 0.0000), (0.05, 0.0818), (0.10, 0.1451), (0.15, 0.2019), (0.20, 0.2547),
            (0.25, 0.3046), (0.30, 0.3524), (0.35, 0.3986), (0.40, 0.4435), (0.45, 0.4874),
            (0.50, 0.5307), (0.55, 0.5735), (0.60, 0.6161), (0.65, 0.6586), (0.70, 0.7015),
            (0.75, 0.7448), (0.80, 0.7891), (0.85, 0.8348), (0.90, 0.8828), (0.95, 0.9349),
            (1.00, 1.0000),
        ])
}
