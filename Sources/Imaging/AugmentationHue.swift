import CImaging

extension RGBImage {
    /// Through 8-bit HSV, whose hue is shifted by `share`·255 cut to a whole number, modulo 256.
    mutating func turnHue(by share: Double) {
        let shift = UInt8(truncatingIfNeeded: Int(clamping: share * 255, to: 1e9))
        let level = InstructionSet.current.rawValue
        pixels.withUnsafeMutableBufferPointer { pixels in
            withUnsafePointer(to: HueTables.shared.tables) { tables in
                ci_turn_hue(level, pixels.baseAddress, pixels.count / 3, shift, tables)
            }
        }
    }
}

/// What the conversions to HSV and back look up (SPEC §3.4), in single precision where Pillow stores
/// a `float`, in double where C computes in double.
private struct HueTables: Sendable {
    static let shared = HueTables()

    let tables: ci_hue_tables

    private init() {
        var tables = ci_hue_tables()
        withUnsafeMutableBytes(of: &tables.hues) { hues in
            // Every range (highest − lowest channel), rise (middle − lowest) and sixth of the circle.
            for range in 1..<256 {
                for rise in 0...range {
                    let distance = Double(Float(range - rise) / Float(range))
                    for sixth in 0..<6 {
                        let third = sixth / 2 * 2
                        let isFalling = sixth % 2 == 0
                        let position =
                            Double(third) + (isFalling ? distance - 1 : 1 - distance)
                        var numerator = third * range + (isFalling ? -rise : rise)
                        if numerator < 0 { numerator += 6 * range }
                        let (whole, rest) = (85 * numerator)
                            .quotientAndRemainder(dividingBy: 2 * range)
                        hues[2 * whole + (rest == 0 ? 1 : 0)] = Self.hue(Float(position))
                    }
                }
            }
        }
        for hue in 0..<256 {
            let sixths = Double(hue) * 6 / 255
            let whole = sixths.rounded(.down)
            withUnsafeMutableBytes(of: &tables.sectors) { $0[hue] = UInt8(Int(whole) % 6) }
            withUnsafeMutableBytes(of: &tables.positions) {
                $0.storeBytes(of: Float(sixths - whole), toByteOffset: 4 * hue, as: Float.self)
            }
        }
        self.tables = tables
    }

    /// - Parameter sixths: −1...5 sixths of the circle.
    private static func hue(_ sixths: Float) -> UInt8 {
        let turns = Double(sixths) / 6 + 1
        return UInt8(Double(Float(turns >= 1 ? turns - 1 : turns)) * 255)
    }
}
