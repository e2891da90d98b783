// Written by tools/confidence/fit.py; do not edit.

extension ConfidenceModel {
    /// The estimate that `mal label` writes.
    package static let standard = ConfidenceModel(
        bias: 0,
        terms: [.init("soft_iou", mean: 0.8, deviation: 0.1, weight: 1)],
        knots: [(0, 0), (1, 1)])
}
