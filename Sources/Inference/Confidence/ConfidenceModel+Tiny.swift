// Written by tools/confidence/fit.py; do not edit. Model: tiny, mal 0.1.0.
// 380 training boxes labelled four ways (mean agreement 0.855),
// 69 outlines drawn by hand (mean IoU 0.696); held out, the score's
// correlation with their IoU is 0.48, its mean distance 0.109.

extension ConfidenceModel {
    /// What `mal label` estimates for the masks of tiny.
    package static let tiny = ConfidenceModel(
        bias: 0.7181,
        terms: [
            .init(
                "certainty", mean: 0.9305, deviation: 0.0241, weight: 0.0998),
            .init(
                "soft_iou", mean: 0.8764, deviation: 0.0393, weight: 0.0607),
            .init(
                "stability", mean: 0.8064, deviation: 0.0665, weight: 0.0481),
            .init(
                "ambiguity", mean: 0.2697, deviation: 0.0881, weight: -0.0580),
            .init(
                "fill", mean: 0.6510, deviation: 0.0940, weight: 0.1145),
            .init(
                "gap", mean: 0.0257, deviation: 0.0201, weight: 0.0149),
            .init(
                "worst_gap", mean: 0.0728, deviation: 0.0567, weight: -0.0996),
            .init(
                "projection", mean: 0.9306, deviation: 0.0360, weight: -0.1202),
            .init(
                "islands", mean: 0.0003, deviation: 0.0030, weight: 0.0120),
            .init(
                "pieces", mean: 1.0123, deviation: 0.1034, weight: 0.0181),
            .init(
                "holes", mean: 0.0005, deviation: 0.0037, weight: 0.0610),
            .init(
                "border_contrast", mean: 0.0707, deviation: 0.0463, weight: -0.0310),
            .init(
                "contrast_ratio", mean: 0.5886, deviation: 0.4626, weight: 0.0325),
            .init(
                "color_separation", mean: 0.2516, deviation: 0.1511, weight: 0.1236),
            .init(
                "cut", mean: 0.1399, deviation: 0.0992, weight: -0.0385),
            .init(
                "roughness", mean: 2.3002, deviation: 0.1662, weight: -0.1142),
            .init(
                "log_area", mean: 10.4620, deviation: 3.1414, weight: 0.0818),
            .init(
                "log_aspect", mean: 0.8787, deviation: 0.6223, weight: -0.0109),
            .init(
                "at_image_edge", mean: 0.0520, deviation: 0.1137, weight: 0.0120),
            .init(
                "center", mean: 0.9810, deviation: 0.0624, weight: -0.1078),
            .init(
                "overlap", mean: 0.0092, deviation: 0.0370, weight: -0.0088),
            .init(
                "covered", mean: 0.0065, deviation: 0.0366, weight: 0.0379),
            .init(
                "mask_covered", mean: 0.0059, deviation: 0.0368, weight: 0.0444),
        ],
        knots: [
            (0.00, 0.0000), (0.05, 0.0671), (0.10, 0.1252), (0.15, 0.1798), (0.20, 0.2320),
            (0.25, 0.2825), (0.30, 0.3317), (0.35, 0.3798), (0.40, 0.4271), (0.45, 0.4738),
            (0.50, 0.5199), (0.55, 0.5658), (0.60, 0.6114), (0.65, 0.6570), (0.70, 0.7027),
            (0.75, 0.7487), (0.80, 0.7952), (0.85, 0.8426), (0.90, 0.8913), (0.95, 0.9422),
            (1.00, 1.0000),
        ])
}
