import Imaging
import TestSupport
import Testing

@Suite struct AugmentationTests {
    /// Fixture name → what to do with `src`.
    static let single: [(String, ColorAdjustment)] =
        ["0.6", "0.83", "1.0", "1.4"].flatMap { factor -> [(String, ColorAdjustment)] in
            let value = Double(factor) ?? .nan
            return [
                ("brightness_" + factor, .brightness(value)),
                ("contrast_" + factor, .contrast(value)),
            ]
        }
        + ["0.8", "0.93", "1.2"].map { ("saturation_" + $0, .saturation(Double($0) ?? .nan)) }
        + ["-0.1", "-0.037", "0.0", "0.05", "0.1"].map { ("hue_" + $0, .hue(Double($0) ?? .nan)) }

    @Test("each colour change equals the reference", arguments: single)
    func colours(name: String, adjustment: ColorAdjustment) throws {
        let fixture = try SafetensorsFixture("data_augment.safetensors")
        var image = try #require(fixture.image("src"))
        image.adjust(adjustment)
        #expect(image == fixture.image(name))
    }

    @Test("blur equals the reference", arguments: ["0.1", "0.5", "1.0", "1.37", "2.0"])
    func blur(radius: String) throws {
        let fixture = try SafetensorsFixture("data_augment.safetensors")
        var image = try #require(fixture.image("src"))
        image.blur(radius: try #require(Double(radius)))
        #expect(image == fixture.image("blur_" + radius))
    }

    @Test("grey, mirror and the chain of changes equal the reference")
    func others() throws {
        let fixture = try SafetensorsFixture("data_augment.safetensors")
        let source = try #require(fixture.image("src"))
        #expect(
            source.augmented(AugmentationDraw(isGrayscale: true)) == fixture.image("grayscale3"))
        var mirrored = source
        mirrored.mirror()
        #expect(mirrored == fixture.image("mirror"))
        mirrored.mirror()
        #expect(mirrored == source)
        let chain = AugmentationDraw(adjustments: [
            .saturation(1.13), .brightness(0.77), .hue(-0.06), .contrast(1.31),
        ])
        #expect(source.augmented(chain) == fixture.image("chain_s1.13_b0.77_h-0.06_c1.31"))
        #expect(source.augmented(AugmentationDraw()) == source)
    }

    @Test("no test of a fixture is missing")
    func complete() throws {
        let fixture = try SafetensorsFixture("data_augment.safetensors")
        // Five blurs, grey, mirror, chain, source.
        #expect(fixture.entries.count == Self.single.count + 9)
    }

    /// The sums are those of Pillow 11.1 on an image of every colour in ascending order.
    @Test(
        "the hue of every 8-bit colour turns as in Pillow",
        arguments: [
            (0.1, 0x5c64_6aae_7df7_d11f as UInt64),
            (-0.1, 0xd5ab_ae79_b010_0473),
        ])
    func everyColour(turn: Double, expected: UInt64) {
        var pixels = [UInt8]()
        pixels.reserveCapacity(3 << 24)
        for color in 0..<1 << 24 {
            pixels.append(UInt8(color >> 16))
            pixels.append(UInt8(color >> 8 & 255))
            pixels.append(UInt8(color & 255))
        }
        var image = RGBImage(size: Size(square: 4096), pixels: pixels)
        image.adjust(.hue(turn))
        #expect(checksum(image.pixels) == expected)
    }

    @Test("tiny images, and a blur wider than the image")
    func tiny() {
        for size in [
            Size(square: 1), Size(height: 1, width: 9), Size(height: 9, width: 1),
            Size(height: 0, width: 4),
        ] {
            let flat = RGBImage(size: size, filledWith: (200, 90, 10))
            for radius in [0, 0.01, 0.5, 2, 40] {
                var image = flat
                image.blur(radius: radius)
                #expect(image == flat)
            }
            let image = noiseImage(size)
            var generator = Counter(state: 1)
            let changes = ColorJitter().draw(using: &generator)
            #expect(
                image.augmented(AugmentationDraw(adjustments: changes, isGrayscale: true)).size
                    == size)
        }
    }

    @Test("a wide blur equals its definition")
    func wide() {
        let size = Size(height: 23, width: 31)
        let image = noiseImage(size)
        for radius in [0.7, 1.9, 3.3, 9.5] {
            var blurred = image
            blurred.blur(radius: radius)
            #expect(blurred.pixels == plainBlur(image, radius: Float(radius)))
        }
    }

    @Test("factors fill their ranges, orders are even, probabilities hold")
    func draws() {
        var generator = Counter(state: 7)
        var firsts: [Int: Int] = [:]
        var jittered = 0
        var grey = 0
        var blurred = 0
        for _ in 0..<4000 {
            let draw = Augmentation().draw(using: &generator)
            if !draw.adjustments.isEmpty {
                jittered += 1
                #expect(draw.adjustments.count == 4)
                for (place, adjustment) in draw.adjustments.enumerated() {
                    let (kind, range, value): (Int, ClosedRange<Double>, Double) =
                        switch adjustment {
                        case .brightness(let value): (0, 0.6...1.4, value)
                        case .contrast(let value): (1, 0.6...1.4, value)
                        case .saturation(let value): (2, 0.8...1.2, value)
                        case .hue(let value): (3, -0.1...0.1, value)
                        }
                    #expect(range.contains(value))
                    if place == 0 { firsts[kind, default: 0] += 1 }
                }
            }
            if draw.isGrayscale { grey += 1 }
            if let radius = draw.blurRadius {
                blurred += 1
                #expect((0.1...2).contains(radius))
            }
        }
        #expect((1900...2100).contains(jittered) && (1900...2100).contains(blurred))
        #expect((700...900).contains(grey))
        #expect(firsts.count == 4 && firsts.values.allSatisfy { (420...580).contains($0) })
    }

    @Test("the same generator draws the same; no augmentation draws nothing")
    func repeatable() {
        var first = Counter(state: 3)
        var second = Counter(state: 3)
        for _ in 0..<20 {
            #expect(
                Augmentation().draw(using: &first) == Augmentation().draw(using: &second))
        }
        for _ in 0..<20 {
            #expect(Augmentation.none.draw(using: &first) == AugmentationDraw())
        }
        for _ in 0..<20 { _ = Augmentation().draw(using: &second) }
        #expect(first.state == second.state)
    }
}

/// SplitMix64.
private struct Counter: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// FNV-1a, 64 bits.
private func checksum(_ bytes: [UInt8]) -> UInt64 {
    bytes.withUnsafeBufferPointer { bytes in
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}

/// SPEC §3.4 pixel by pixel.
private func plainBlur(_ image: RGBImage, radius: Float) -> [UInt8] {
    let variance = radius * radius / 3
    let length = Float((12 * Double(variance) + 1).squareRoot())
    let whole = ((length - 1) / 2).rounded(.down)
    let part =
        (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
        / (6 * (variance - (whole + 1) * (whole + 1)))
    let box = whole + part
    let reach = Int(box)
    let inner = Int(Float(1 << 24) / (2 * box + 1))
    let outer = ((1 << 24) - (2 * reach + 1) * inner) / 2
    var pixels = image.pixels
    let (height, width) = (image.size.height, image.size.width)
    for pass in 0..<6 {
        let (dx, dy) = pass < 3 ? (1, 0) : (0, 1)
        let source = pixels
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<3 {
                    func value(_ offset: Int) -> Int {
                        let column = min(max(x + dx * offset, 0), width - 1)
                        let row = min(max(y + dy * offset, 0), height - 1)
                        return Int(source[(row * width + column) * 3 + channel])
                    }
                    let sum = (-reach...reach).reduce(0) { $0 + value($1) }
                    let edges = value(-reach - 1) + value(reach + 1)
                    pixels[(y * width + x) * 3 + channel] = UInt8(
                        (inner * sum + outer * edges + (1 << 23)) >> 24)
                }
            }
        }
    }
    return pixels
}
