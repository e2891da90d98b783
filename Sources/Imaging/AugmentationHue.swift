extension RGBImage {
    /// Through 8-bit HSV, whose hue is shifted by `share`·255 cut to a whole number, modulo 256.
    mutating func turnHue(by share: Double) {
        let shift = UInt8(truncatingIfNeeded: Int(clamping: share * 255, to: 1e9))
        let tables = HueTables.shared
        pixels.withUnsafeMutableBufferPointer { pixels in
            guard var pixel = pixels.baseAddress else { return }
            tables.withPointers { hues, saturations, lows, sectors in
                for _ in 0..<pixels.count / 3 {
                    turnHueOfPixel(
                        pixel, by: shift, hues: hues, saturations: saturations, lows: lows,
                        sectors: sectors)
                    pixel += 3
                }
            }
        }
    }
}

/// Pillow's conversions to HSV and back on one pixel (SPEC §3.4). Selections in place of branches,
/// which no processor could predict.
@inline(__always)
private func turnHueOfPixel(
    _ rgb: UnsafeMutablePointer<UInt8>, by shift: UInt8, hues: UnsafePointer<UInt8>,
    saturations: UnsafePointer<Float>, lows: UnsafePointer<UInt8>,
    sectors: UnsafePointer<HueSector>
) {
    let (red, green, blue) = (Int(rgb[0]), Int(rgb[1]), Int(rgb[2]))
    let highest = max(red, green, blue)
    let lowest = min(red, green, blue)
    // Grey has no hue and stays as it is.
    if highest == lowest { return }
    let range = highest &- lowest
    let drop = 2 &* highest &+ lowest &- red &- green &- blue
    let redIsHighest = red == highest
    let greenIsHighest = green == highest
    let next = redIsHighest ? green : greenIsHighest ? blue : red
    let third = redIsHighest ? 0 : greenIsHighest ? 2 : 4
    let sixth = third &+ (next == lowest ? 0 : 1)
    let hue = hues[sixth << 16 | range << 8 | drop] &+ shift

    let sector = sectors[Int(hue)]
    let share = saturations[highest << 8 | range]
    let part = sector.isFalling ? Double(share * sector.position) : Double(share) * sector.rest
    let middle = UInt32(truncatingIfNeeded: Int32(Double(highest) * (1 - part) + 0.5))
    let word =
        UInt32(truncatingIfNeeded: highest) | middle << 8
        | UInt32(lows[highest << 8 | range]) << 16
    rgb[0] = UInt8(truncatingIfNeeded: word >> sector.shifts.red)
    rgb[1] = UInt8(truncatingIfNeeded: word >> sector.shifts.green)
    rgb[2] = UInt8(truncatingIfNeeded: word >> sector.shifts.blue)
}

/// What the conversions divide for, worked out once: single precision where Pillow stores a
/// `float`, double where C computes in double.
private struct HueTables: Sendable {
    static let shared = HueTables()

    /// 8-bit hues by sixth of the circle, range (highest − lowest channel) and drop (highest −
    /// middle channel).
    private let hues: [UInt8]
    /// Saturations cut to 8 bits, divided by 255, by highest channel and range.
    private let saturations: [Float]
    /// The lowest channel that comes back from HSV, by highest channel and range.
    private let lows: [UInt8]
    private let sectors: [HueSector]

    private init() {
        var hues = [UInt8](repeating: 0, count: 6 << 16)
        var saturations = [Float](repeating: 0, count: 1 << 16)
        var lows = [UInt8](repeating: 0, count: 1 << 16)
        for range in 1..<256 {
            for drop in 0...range {
                // The lowest channel's distance from the highest is the unit.
                let distance = Double(Float(drop) / Float(range))
                for sixth in 0..<6 {
                    let offset = Double(sixth / 2 * 2)
                    let position =
                        sixth % 2 == 0 ? offset + distance - 1 : offset + 1 - distance
                    hues[sixth << 16 | range << 8 | drop] = Self.hue(Float(position))
                }
            }
            for highest in range..<256 {
                let saturation = Int(Float(range) / Float(highest) * 255)
                let share = Float(Double(saturation) / 255)
                saturations[highest << 8 | range] = share
                lows[highest << 8 | range] = UInt8(Double(highest) * (1 - Double(share)) + 0.5)
            }
        }
        self.hues = hues
        self.saturations = saturations
        self.lows = lows
        sectors = (0..<256).map(HueSector.init)
    }

    /// - Parameter sixths: −1...5 sixths of the circle.
    private static func hue(_ sixths: Float) -> UInt8 {
        let turns = Double(sixths) / 6 + 1
        return UInt8(Double(Float(turns >= 1 ? turns - 1 : turns)) * 255)
    }

    func withPointers(
        _ body: (
            _ hues: UnsafePointer<UInt8>, _ saturations: UnsafePointer<Float>,
            _ lows: UnsafePointer<UInt8>, _ sectors: UnsafePointer<HueSector>
        ) -> Void
    ) {
        hues.withUnsafeBufferPointer { hues in
            saturations.withUnsafeBufferPointer { saturations in
                lows.withUnsafeBufferPointer { lows in
                    sectors.withUnsafeBufferPointer { sectors in
                        guard let hues = hues.baseAddress,
                            let saturations = saturations.baseAddress,
                            let lows = lows.baseAddress, let sectors = sectors.baseAddress
                        else { return }
                        body(hues, saturations, lows, sectors)
                    }
                }
            }
        }
    }
}

/// Where an 8-bit hue lies on the colour circle.
private struct HueSector: Sendable {
    /// Whether the middle channel falls within this sixth of the circle.
    let isFalling: Bool
    /// How far into the sixth, 0 to below 1.
    let position: Float
    /// 1 − `position`, in double precision.
    let rest: Double
    /// Where red, green and blue lie in a word of highest, middle and lowest channel, in bits.
    let shifts: (red: UInt32, green: UInt32, blue: UInt32)

    init(hue: Int) {
        let sixths = Double(hue) * 6 / 255
        let whole = sixths.rounded(.down)
        let index = Int(whole) % 6
        isFalling = index % 2 == 1
        position = Float(sixths - whole)
        rest = 1 - Double(position)
        let (high, middle, low) = (0 as UInt32, 8 as UInt32, 16 as UInt32)
        shifts =
            switch index {
            case 0: (high, middle, low)
            case 1: (middle, high, low)
            case 2: (low, high, middle)
            case 3: (low, middle, high)
            case 4: (middle, low, high)
            default: (high, low, middle)
            }
    }
}
