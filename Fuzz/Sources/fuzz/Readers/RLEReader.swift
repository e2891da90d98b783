import Annotations
import Foundation
import Imaging

extension Reader {
    /// Run lengths: `height width`, a line break, and the compressed string, or after a colon the
    /// runs as numbers. A second mask may follow; then both are merged.
    static func rle(_ places: Places) throws -> Reader {
        let cases = try Cases(places)
        var corpus: [[UInt8]] = []
        for mask in cases.masks {
            let size = "\(mask.size[0]) \(mask.size[1])\n"
            let runs = mask.runs.map { String($0) }.joined(separator: " ")
            corpus.append(Array((size + mask.counts).utf8))
            corpus.append(Array("\(size):\(runs)".utf8))
            corpus.append(Array("\(size)\(mask.counts)\n\(size)\(mask.counts)".utf8))
        }
        let size = "\(cases.merge.size[0]) \(cases.merge.size[1])\n"
        for (one, two) in zip(cases.merge.inputs, cases.merge.inputs.dropFirst()) {
            corpus.append(Array("\(size)\(one)\n\(size)\(two)".utf8))
        }
        let mutate = Mutator(
            corpus, words: ["o", "P", "0", "1", "oooooo", "PPPPPP", "P0", "\n", ":", " "],
            isText: true)
        let generate: (inout Random) -> [UInt8] = { random in
            random.oneIn(2) ? mutate(&random) : fitting(&random)
        }
        return Reader(name: "rle", generate: generate) { input, _ in
            let lines = input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            let first = try mask(lines, at: 0)
            use(first)
            guard lines.count > 2 else { return }
            let second = try mask(lines, at: 2)
            use(second)
            merge(first, second)
        }
    }

    /// Polygons: `height width`, then a line of coordinates for each polygon.
    static func polygon(_ places: Places) throws -> Reader {
        let corpus = try Cases(places).polygons.map { polygon in
            var text = "\(polygon.h) \(polygon.w)"
            for corners in polygon.polygons {
                text += "\n" + corners.map { String($0) }.joined(separator: " ")
            }
            return Array(text.utf8)
        }
        let mutate = Mutator(
            corpus, words: [" ", "\n", "-", "e9", "99999999", "-1e8", "1e8", "0 0 0 0 0 0"],
            isText: true)
        let generate: (inout Random) -> [UInt8] = { random in
            random.oneIn(2) ? mutate(&random) : corners(&random)
        }
        return Reader(name: "polygon", generate: generate) { input, _ in
            let lines = String(decoding: input, as: UTF8.self)
                .split(separator: "\n", omittingEmptySubsequences: false)
            let size = try size(lines[0].utf8)
            let polygons = lines.dropFirst().map { line in
                line.split(separator: " ").compactMap { Double($0) }
            }
            if let polygon = polygons.first {
                use(try RLE(polygon: polygon, size: size))
            }
            use(try RLE(polygons: polygons, size: size))
        }
    }

    /// Two masks of one size whose runs fill it, which changed texts hardly ever do.
    private static func fitting(_ random: inout Random) -> [UInt8] {
        let sides = [1, 1, 2, 3, 7, 8, 31, 64, 500, 65535, 65536, 1 << 20, 0]
        let (height, width) = (random.pick(sides), random.pick(sides))
        let total = height * width
        var text: [String] = []
        for _ in 0..<2 {
            var rest = total
            var runs: [Int] = []
            let count = random.below(random.pick([2, 6, 40]))
            for _ in 0..<count {
                let longest = random.pick([1, 2, height + 1, 2 * height + 1, rest + 1])
                let run = random.oneIn(6) ? 0 : min(rest, random.below(longest))
                runs.append(run)
                rest -= run
            }
            if rest > 0 || random.oneIn(2) { runs.append(rest) }
            text.append("\(height) \(width)")
            text.append(":" + runs.map { String($0) }.joined(separator: " "))
        }
        return Array(text.joined(separator: "\n").utf8)
    }

    /// Polygons of all sizes, some of them far outside an image of any size.
    private static func corners(_ random: inout Random) -> [UInt8] {
        // Rarely huge, for that takes time.
        let isHuge = random.oneIn(50)
        let sides =
            isHuge ? [1, 65535, 1 << 20, 1 << 31, (1 << 32) - 1] : [1, 2, 7, 40, 500, 4000]
        let (height, width) = (random.pick(sides), random.pick(sides))
        var text = ["\(height) \(width)"]
        for _ in 0...random.below(3) {
            let reach = random.pick([1, 10, 100, Double(min(width, 10_000)), isHuge ? 1e8 : 1000])
            let count = random.pick([3, 4, 5, 5, 8, 12, 100])
            var numbers: [Double] = []
            for side in (0..<count).flatMap({ _ in [width, height] }) {
                let whole = Double(random.below(1 << 20)) / Double(1 << 20) * reach
                let number =
                    switch random.below(8) {
                    case 0: Double(random.below(12)) / 2
                    case 1: Double(side) - Double(random.below(5)) / 10
                    case 2: random.pick([-1e8, 1e8, 0, -0.1, 99_999_999.9])
                    case 3: whole.rounded()
                    case 4: -whole
                    default: whole
                    }
                numbers.append(number)
            }
            text.append(numbers.map { String($0) }.joined(separator: " "))
        }
        return Array(text.joined(separator: "\n").utf8)
    }

    private static func size(_ text: some Collection<UInt8>) throws -> Size {
        let sides = text.split(separator: UInt8(ascii: " ")).map {
            Int(String(decoding: $0, as: UTF8.self))
        }
        guard sides.count == 2, let height = sides[0], let width = sides[1] else {
            throw AnnotationError.segmentation("no size")
        }
        return Size(height: height, width: width)
    }

    private static func mask(_ lines: [ArraySlice<UInt8>], at place: Int) throws -> RLE {
        let size = try size(lines[place])
        let text = place + 1 < lines.count ? lines[place + 1] : []
        guard text.first == UInt8(ascii: ":") else { return try RLE(size: size, compressed: text) }
        let runs = text.dropFirst().split(separator: UInt8(ascii: " ")).compactMap {
            UInt32(String(decoding: $0, as: UTF8.self))
        }
        return try RLE(size: size, counts: runs)
    }

    /// Everything that can be asked of a mask, and whether it comes back from its own text.
    static func use(_ mask: RLE) {
        let pixels = mask.size.height * mask.size.width
        require(mask.area <= pixels, "area \(mask.area) of \(mask.size)")
        let box = mask.boundingBox
        require(
            box.minX >= 0 && box.minY >= 0 && box.maxX <= Double(mask.size.width)
                && box.maxY <= Double(mask.size.height), "box \(box) of \(mask.size)")
        let again = try? RLE(size: mask.size, compressed: mask.compressed)
        require(again == mask, "\(mask.counts.prefix(9)) is not what its text gives")
        require(mask.iou(with: mask) == (mask.area > 0 ? 1 : 0), "its IoU with itself")
        guard let full = try? mask.mask(maxPixels: 1 << 18) else { return }
        require(full.area == mask.area, "the mask has \(full.area) pixels, not \(mask.area)")
        require(RLE(full).area == mask.area, "the mask's run lengths are others")
    }

    private static func merge(_ first: RLE, _ second: RLE) {
        let union = RLE.union([first, second])
        let intersection = RLE.intersection([first, second])
        let shared = first.intersectionArea(with: second)
        guard first.size == second.size else {
            return require(union == nil && intersection == nil, "sizes differ and merge")
        }
        require(intersection?.area == shared, "intersections differ")
        require(union?.area == first.area + second.area - shared, "the union has another area")
        _ = first.iou(with: second)
        _ = first.iou(with: second, isCrowd: true)
    }
}

/// What is used of `rle_cases.json`.
private struct Cases: Decodable {
    struct MaskCase: Decodable {
        let size: [Int]
        let runs: [UInt32]
        let counts: String
    }

    struct PolygonCase: Decodable {
        let h, w: Int
        let polygons: [[Double]]
    }

    struct MergeCase: Decodable {
        let inputs: [String]
        let size: [Int]
    }

    let masks: [MaskCase]
    let polygons: [PolygonCase]
    let merge: MergeCase

    init(_ places: Places) throws {
        let bytes = try places.bytes("Tests/Fixtures/rle_cases.json")
        self = try JSONDecoder().decode(Cases.self, from: Data(bytes))
    }
}
