import Foundation

/// Estimates a mask's IoU with the truth from its features: a logistic combination, then a
/// monotone correction. tools/confidence/fit.py makes the numbers (docs/confidence.md).
package struct ConfidenceModel: Sendable {
    /// One feature of the combination.
    package struct Term: Sendable {
        package let feature: String
        package let mean: Double
        package let deviation: Double
        package let weight: Double

        package init(_ feature: String, mean: Double, deviation: Double, weight: Double) {
            self.feature = feature
            self.mean = mean
            self.deviation = deviation
            self.weight = weight
        }
    }

    /// Whose masks the numbers were fitted to.
    package enum Fit: String, Sendable {
        case standard, tiny

        /// The nearest to a network: the tiny model's, or for all others the default one's.
        package init(architecture: String?) {
            self = architecture == "vit-deit-tiny/16" ? .tiny : .standard
        }

        package var model: ConfidenceModel {
            switch self {
            case .standard: ConfidenceModel.standard
            case .tiny: ConfidenceModel.tiny
            }
        }
    }

    private let bias: Double
    private let terms: [(place: Int, term: Term)]
    /// Where the raw estimate is known to stand for an IoU; straight lines between.
    private let knots: [(raw: Double, score: Double)]

    /// - Parameter knots: at least one, `raw` increasing and `score` never decreasing, so that the
    ///   correction keeps the order of masks.
    package init(bias: Double, terms: [Term], knots: [(raw: Double, score: Double)]) {
        precondition(
            !knots.isEmpty
                && zip(knots, knots.dropFirst())
                    .allSatisfy { $0.raw < $1.raw && $0.score <= $1.score },
            "knots must rise, are \(knots)")
        self.bias = bias
        self.terms = terms.map { term in
            guard let place = MaskFeatures.names.firstIndex(of: term.feature) else {
                preconditionFailure("there is no feature \(term.feature)")
            }
            return (place, term)
        }
        self.knots = knots
    }

    /// The estimated IoU in 0…1, to four decimals so that it reads well and does not change with
    /// the last bits of a sum.
    package func score(_ features: MaskFeatures) -> Double {
        precondition(
            features.values.count == MaskFeatures.names.count,
            "\(features.values.count) features, need \(MaskFeatures.names.count)")
        var sum = bias
        for (place, term) in terms {
            // A mask unlike all that the fit saw must not get an extreme score for it.
            let value = (Double(features.values[place]) - term.mean) / term.deviation
            sum += term.weight * min(max(value.isNaN ? 0 : value, -3), 3)
        }
        let raw = 1 / (1 + exp(-sum))
        return (corrected(raw) * 10_000).rounded() / 10_000
    }

    private func corrected(_ raw: Double) -> Double {
        guard let above = knots.firstIndex(where: { $0.raw >= raw }) else {
            return clamped(knots[knots.count - 1].score)
        }
        guard above > 0 else { return clamped(knots[0].score) }
        let (low, high) = (knots[above - 1], knots[above])
        let share = (raw - low.raw) / (high.raw - low.raw)
        return clamped(low.score + share * (high.score - low.score))
    }

    private func clamped(_ value: Double) -> Double { min(max(value, 0), 1) }
}
