import Foundation
package import Imaging

/// Smaller crops for small boxes (`dataset.adaptive_crop`), which have fewer pixels than the crop: the
/// network's time grows with the crop, what there is to see does not.
package struct AdaptiveCrop: Sendable, Equatable, CustomStringConvertible {
    /// Sides in pixels below the crop's own, ascending.
    package let sizes: [Int]
    /// Pixels that a crop must have along a box for each pixel of the image.
    package let density: Double

    /// The density of a run, by what it costs and gains (docs/performance.md).
    package static let standardDensity = 2.0

    /// Half and three quarters of a crop.
    ///
    /// - Parameter stride: pixels between the network's tokens; sizes are multiples of it, with two
    ///   tokens a side or more.
    package init(cropSize: Int, stride: Int, density: Double = standardDensity) {
        let tokens = cropSize / stride
        let counts = Set([(tokens + 1) / 2, (3 * tokens + 2) / 4])
        sizes = counts.filter { (2..<tokens).contains($0) }.map { $0 * stride }.sorted()
        self.density = density
    }

    /// The size for a box; nil for the crop's own.
    package func size(for box: Box) -> Int? {
        let wanted = max(box.width, box.height) * density
        return sizes.first { Double($0) >= wanted }
    }

    package var description: String {
        "\(density) times to \(sizes.map(String.init).joined(separator: ", "))"
    }

    /// From a description; nil for other text.
    package init?(_ description: String) {
        let parts = description.components(separatedBy: " times to ")
        guard parts.count == 2, let density = Double(parts[0]), density > 0 else { return nil }
        let sizes = parts[1].components(separatedBy: ", ").filter { !$0.isEmpty }.map { Int($0) }
        guard sizes.allSatisfy({ $0 ?? 0 > 0 }) else { return nil }
        self.sizes = sizes.compactMap { $0 }
        self.density = density
    }
}
