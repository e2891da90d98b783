extension RGBImage {
    /// Through 8-bit HSV, whose hue is shifted by `share`·255 cut to a whole number, modulo 256.
    mutating func turnHue(by share: Double) {
        let shift = UInt8(truncatingIfNeeded: Int(clamping: share * 255, to: 1e9))
        let sectors = (0..<256).map(HueSector.init)
        pixels.withUnsafeMutableBufferPointer { pixels in
            sectors.withUnsafeBufferPointer { sectors in
                var pixel = pixels.baseAddress
                for _ in 0..<pixels.count / 3 {
                    guard let rgb = pixel else { return }
                    turnHueOfPixel(rgb, by: shift, sectors: sectors)
                    pixel = rgb + 3
                }
            }
        }
    }
}

/// Where an 8-bit hue lies on the colour circle.
private struct HueSector {
    /// 0...5, a sixth of the circle each.
    let index: Int32
    /// How far into the sector, 0 to below 1, in single precision.
    let position: Double
    /// 1 − `position`.
    let rest: Double

    init(hue: Int) {
        let sixths = Double(hue) * 6 / 255
        let whole = sixths.rounded(.down)
        index = Int32(whole) % 6
        position = Double(Float(sixths - whole))
        rest = 1 - position
    }
}

/// Pillow's conversions to HSV and back on one pixel (SPEC §3.4): single precision where Pillow
/// stores a `float`, double where C computes in double.
@inline(__always)
private func turnHueOfPixel(
    _ rgb: UnsafeMutablePointer<UInt8>, by shift: UInt8,
    sectors: UnsafeBufferPointer<HueSector>
) {
    let (red, green, blue) = (rgb[0], rgb[1], rgb[2])
    let highest = max(red, green, blue)
    let lowest = min(red, green, blue)
    // Grey has no hue; it also stays as it is.
    if highest == lowest { return }
    let range = Float(highest &- lowest)
    let saturation = UInt8(range / Float(highest) * 255)
    // Of saturation 0 nothing but the highest channel is left.
    if saturation == 0 {
        rgb[0] = highest
        rgb[1] = highest
        rgb[2] = highest
        return
    }
    let redDistance = Float(highest &- red) / range
    let greenDistance = Float(highest &- green) / range
    let blueDistance = Float(highest &- blue) / range
    let sixths: Float
    if red == highest {
        sixths = blueDistance - greenDistance
    } else if green == highest {
        sixths = Float(2 + Double(redDistance) - Double(blueDistance))
    } else {
        sixths = Float(4 + Double(greenDistance) - Double(redDistance))
    }
    // From 5/6 to below 2, so subtracting 1 is the remainder.
    let turns = Double(sixths) / 6 + 1
    let hue = UInt8(Double(Float(turns >= 1 ? turns - 1 : turns)) * 255) &+ shift

    let sector = sectors[Int(hue)]
    let value = Double(highest)
    let share = Double(Float(Double(saturation) / 255))
    let low = roundedByte(value * (1 - share))
    let falling = roundedByte(value * (1 - Double(Float(share) * Float(sector.position))))
    let rising = roundedByte(value * (1 - share * sector.rest))
    switch sector.index {
    case 0: (rgb[0], rgb[1], rgb[2]) = (highest, rising, low)
    case 1: (rgb[0], rgb[1], rgb[2]) = (falling, highest, low)
    case 2: (rgb[0], rgb[1], rgb[2]) = (low, highest, rising)
    case 3: (rgb[0], rgb[1], rgb[2]) = (low, falling, highest)
    case 4: (rgb[0], rgb[1], rgb[2]) = (rising, low, highest)
    default: (rgb[0], rgb[1], rgb[2]) = (highest, low, falling)
    }
}

/// A number from 0 to 255, rounded half up.
@inline(__always)
private func roundedByte(_ value: Double) -> UInt8 { UInt8(truncatingIfNeeded: Int32(value + 0.5)) }
