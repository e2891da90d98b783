package import Testing
package import Torch

/// Expects the same shape, and no element farther than `tolerance` from the expected one.
package func expectClose(
    _ tensor: Tensor, _ expected: Tensor?, tolerance: Double = 1e-5,
    _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
    guard let expected else {
        Issue.record("there is no fixture \(what)", sourceLocation: sourceLocation)
        return
    }
    #expect(tensor.shape == expected.shape, "\(what)", sourceLocation: sourceLocation)
    guard tensor.shape == expected.shape else { return }
    let difference = largestDifference(tensor, expected)
    #expect(difference <= tolerance, "\(what)", sourceLocation: sourceLocation)
}

/// The largest distance of two elements; not a number where either is not.
package func largestDifference(_ a: Tensor, _ b: Tensor) -> Double {
    a.count == 0 ? 0 : Double((a.to(.float32) - b.to(.float32)).abs().amax().item())
}
