import Foundation

/// Estimates a mask's IoU with the truth from its features: a logistic combination, then a
/// monotone correction. tools/confidence/fit.py makes the numbers (docs/confidence.md).
package struct ConfidenceModel: Sendable {
    /// What the numbers are made from: JSON, as a model file's metadata and a journal have it.
    package let json: String
    private let fit: Fit
    /// Of each term's feature.
    private let places: [Int]

    private struct Fit: Decodable {
        let bias: Double
        let terms: [Term]
        /// Where a raw estimate is known to stand for an IoU; straight lines between.
        let knots: [[Double]]
        /// Of the numbers of the mask's mean token; nil for a fit that is not of one network only.
        let token: [Float]?

        struct Term: Decodable {
            let feature: String
            let mean, deviation, weight: Double
        }
    }

    /// - Returns: nil for what is no fit: terms of features that there are not, or knots that do not
    ///   rise, so that the correction would not keep the order of masks.
    package init?(json: String) {
        guard let fit = try? JSONDecoder().decode(Fit.self, from: Data(json.utf8)) else {
            return nil
        }
        places = fit.terms.compactMap { MaskFeatures.names.firstIndex(of: $0.feature) }
        guard places.count == fit.terms.count, !fit.terms.contains(where: { $0.deviation == 0 }),
            !fit.knots.isEmpty, fit.knots.allSatisfy({ $0.count == 2 }),
            zip(fit.knots, fit.knots.dropFirst())
                .allSatisfy({ $0[0] < $1[0] && $0[1] <= $1[1] })
        else { return nil }
        self.fit = fit
        self.json = json
    }

    /// What `mal label` estimates for the masks of the models that come with it, when they were fitted.
    package static let standard = shipped(PackageResources.default_json)
    package static let tiny = shipped(PackageResources.tiny_json)

    private static func shipped(_ bytes: [UInt8]) -> ConfidenceModel {
        let json = String(decoding: bytes.dropLast(), as: UTF8.self)
        guard let model = ConfidenceModel(json: json) else {
            preconditionFailure("a fit in Fits/ is none: \(json)")
        }
        return model
    }

    /// For a network that was not fitted: the tiny model's, or for all others the default one's.
    package static func nearest(toArchitecture arch: String?) -> ConfidenceModel {
        arch == "vit-deit-tiny/16" ? tiny : standard
    }

    /// What the fit makes of a mask's mean token; 0 where it has nothing for it.
    package func tokenScore(_ token: some Collection<Float>) -> Float {
        guard let weights = fit.token, weights.count == token.count else { return 0 }
        return zip(weights, token).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// The estimated IoU in 0…1, to four decimals so that it reads well and does not change with
    /// the last bits of a sum.
    package func score(_ features: MaskFeatures) -> Double {
        precondition(
            features.values.count == MaskFeatures.names.count,
            "\(features.values.count) features, need \(MaskFeatures.names.count)")
        var sum = fit.bias
        for (place, term) in zip(places, fit.terms) {
            // A mask unlike all that the fit saw must not get an extreme score for it.
            let value = (Double(features.values[place]) - term.mean) / term.deviation
            sum += term.weight * min(max(value.isNaN ? 0 : value, -3), 3)
        }
        let raw = 1 / (1 + exp(-sum))
        return (min(max(corrected(raw), 0), 1) * 10_000).rounded() / 10_000
    }

    private func corrected(_ raw: Double) -> Double {
        let knots = fit.knots
        guard let above = knots.firstIndex(where: { $0[0] >= raw }) else {
            return knots[knots.count - 1][1]
        }
        guard above > 0 else { return knots[0][1] }
        let (low, high) = (knots[above - 1], knots[above])
        let share = (raw - low[0]) / (high[0] - low[0])
        return low[1] + share * (high[1] - low[1])
    }
}
