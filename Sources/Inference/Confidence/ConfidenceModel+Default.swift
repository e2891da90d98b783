// Written by tools/confidence/fit.py; do not edit. Model: default, mal 0.1.0.
// 380 training boxes labelled four ways (mean agreement 0.868),
// 69 outlines drawn by hand (mean IoU 0.702); held out, the score's
// correlation with their IoU is 0.48, its mean distance 0.108.

extension ConfidenceModel {
    /// What `mal label` estimates for the masks of default.
    package static let standard = ConfidenceModel(
        bias: 0.7238,
        terms: [
            .init(
                "certainty", mean: 0.9591, deviation: 0.0138, weight: 0.0987),
            .init(
                "soft_iou", mean: 0.9230, deviation: 0.0256, weight: 0.0830),
            .init(
                "stability", mean: 0.8809, deviation: 0.0414, weight: 0.0253),
            .init(
                "ambiguity", mean: 0.1618, deviation: 0.0541, weight: -0.0691),
            .init(
                "fill", mean: 0.6480, deviation: 0.0996, weight: 0.0917),
            .init(
                "gap", mean: 0.0209, deviation: 0.0183, weight: 0.0480),
            .init(
                "worst_gap", mean: 0.0603, deviation: 0.0520, weight: -0.0775),
            .init(
                "projection", mean: 0.9487, deviation: 0.0332, weight: -0.0057),
            .init(
                "islands", mean: 0.0006, deviation: 0.0049, weight: -0.0878),
            .init(
                "pieces", mean: 1.0237, deviation: 0.1245, weight: 0.0007),
            .init(
                "holes", mean: 0.0004, deviation: 0.0037, weight: -0.0047),
            .init(
                "border_contrast", mean: 0.0767, deviation: 0.0511, weight: -0.0118),
            .init(
                "contrast_ratio", mean: 0.6823, deviation: 0.4895, weight: 0.0011),
            .init(
                "color_separation", mean: 0.2538, deviation: 0.1533, weight: 0.1637),
            .init(
                "cut", mean: 0.1344, deviation: 0.0975, weight: -0.0585),
            .init(
                "roughness", mean: 2.3330, deviation: 0.1918, weight: -0.0690),
            .init(
                "log_area", mean: 10.4620, deviation: 3.1414, weight: -0.0170),
            .init(
                "log_aspect", mean: 0.8787, deviation: 0.6223, weight: -0.0385),
            .init(
                "at_image_edge", mean: 0.0520, deviation: 0.1137, weight: 0.0347),
            .init(
                "center", mean: 0.9814, deviation: 0.0701, weight: -0.0335),
            .init(
                "overlap", mean: 0.0092, deviation: 0.0370, weight: 0.0008),
            .init(
                "covered", mean: 0.0065, deviation: 0.0366, weight: 0.0458),
            .init(
                "mask_covered", mean: 0.0057, deviation: 0.0351, weight: 0.0267),
        ],
        knots: [
            (0.00, 0.0000), (0.05, 0.0792), (0.10, 0.1414), (0.15, 0.1977), (0.20, 0.2502),
            (0.25, 0.3000), (0.30, 0.3478), (0.35, 0.3941), (0.40, 0.4393), (0.45, 0.4835),
            (0.50, 0.5271), (0.55, 0.5704), (0.60, 0.6134), (0.65, 0.6564), (0.70, 0.6997),
            (0.75, 0.7436), (0.80, 0.7884), (0.85, 0.8346), (0.90, 0.8830), (0.95, 0.9353),
            (1.00, 1.0000),
        ])
}
