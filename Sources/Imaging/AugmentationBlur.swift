import CImaging

extension RGBImage {
    /// Gaussian blur as Pillow's `GaussianBlur(radius)`: three box blurs along the rows, then three
    /// along the columns, in 8 bits after each; edges are repeated (SPEC §3.4). The time grows with
    /// the radius.
    ///
    /// - Parameter radius: the standard deviation in pixels, 0 or more and at most 1000.
    package mutating func blur(radius: Double) {
        precondition((0...1000).contains(radius), "a blur radius of \(radius)")
        guard radius > 0, !pixels.isEmpty else { return }
        let box = BoxBlur(gaussianRadius: Float(radius))
        let level = InstructionSet.current.rawValue
        let status = pixels.withUnsafeMutableBufferPointer {
            ci_blur(
                level, $0.baseAddress, size.width, size.height, box.reach, box.innerWeight,
                box.outerWeight)
        }
        // Data decides nothing here: rows of one crop, less than the crop itself took. Without memory for them the
        // program ends as it does without memory for any array (program_explain_lost_memory).
        precondition(
            status == Int32(CI_OK.rawValue), "no memory for a blur of radius \(radius)")
    }
}

/// A mean over 2n+1 pixels and a share of the two beyond, in 24-bit integer weights.
private struct BoxBlur {
    /// n.
    let reach: Int
    let innerWeight: UInt32
    let outerWeight: UInt32

    private static let passCount = 3

    /// The box of which three passes come nearest to the Gaussian (Gwosdek et al., Theoretical
    /// foundations of Gaussian convolution by extended box filtering, 2011, eq. 7, 11, 14). Single
    /// precision where Pillow stores a `float`.
    init(gaussianRadius radius: Float) {
        let variance = radius * radius / Float(Self.passCount)
        let length = Float((12 * Double(variance) + 1).squareRoot())
        let whole = Float(((Double(length) - 1) / 2).rounded(.down))
        var part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
        part /= 6 * (variance - (whole + 1) * (whole + 1))
        let boxRadius = whole + part
        reach = Int(boxRadius)
        innerWeight = UInt32(Float(1 << 24) / (boxRadius * 2 + 1))
        outerWeight = ((1 << 24) - UInt32(2 * reach + 1) * innerWeight) / 2
    }
}
