import Annotations
import ArgumentParser
import Foundation
import Glibc
import Imaging

/// The work beside the network, on one core: photographs to crops, probabilities to run lengths,
/// annotation files to records. Does what `data_baseline.py` does, on the same items.
struct Data: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Crops, masks and annotation files.")

    @Option(help: "The items that data.py writes.")
    var items: String?

    @Option(help: "Side of the square crop in pixels.")
    var crop = 512

    @Option(help: "How often every item is made.")
    var rounds = 1

    @Option(help: "Tasks that make items at the same time.")
    var threads = 1

    @Option(help: "A COCO file that is read instead.")
    var coco: String?

    func validate() throws {
        guard (items == nil) != (coco == nil) else {
            throw ValidationError("Give --items or --coco.")
        }
        for (name, value) in [("--crop", crop), ("--rounds", rounds), ("--threads", threads)]
        where value < 1 {
            throw ValidationError("\(name) must be 1 or more, is \(value)")
        }
    }

    func run() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let line: Foundation.Data
        if let coco {
            line = try encoder.encode(try readFile(coco))
        } else {
            let list = try JSONDecoder().decode(
                ItemList.self, from: try .init(contentsOf: URL(fileURLWithPath: items ?? "")))
            line = try encoder.encode(try measure(list))
        }
        print(String(decoding: line, as: UTF8.self))
    }

    private func readFile(_ path: String) throws -> [String: Double] {
        let start = ContinuousClock.now
        let file = try AnnotationFile.read(path: path)
        return [
            "seconds": (ContinuousClock.now - start) / .seconds(1), "cpu_seconds": cpuSeconds(),
            "peak_mib": Double(peakMemoryMib()), "images": Double(file.images.count),
            "annotations": Double(file.annotations.count),
        ]
    }

    private func measure(_ list: ItemList) throws -> [String: [Double]] {
        let side = Size(square: crop)
        let probabilities = disc(side: crop)
        return [
            "test": try times(list.items.count) { index in
                let item = list.items[index]
                return { try testItem(item, image: list.image, side: side) }
            },
            "training": try times(list.items.count) { index in
                let item = list.items[index]
                return { try trainingItem(item, image: list.image, side: side) }
            },
            "post": try times(list.items.count) { index in
                let item = list.items[index]
                let window = item.testWindow
                let size = Size(height: list.height, width: list.width)
                return {
                    let mask = probabilities.withUnsafeBufferPointer {
                        pasteMask(
                            probabilities: $0, cropSize: crop, window: window, imageSize: size,
                            threshold: 0.1)
                    }
                    let rle = RLE(
                        window: mask.pixels, windowSize: mask.size, originX: mask.originX,
                        originY: mask.originY, imageSize: size)
                    return [rle.compressed, [UInt8(rle.area % 251)]]
                }
            },
            "peak_mib": [Double(peakMemoryMib())],
        ]
    }

    /// Milliseconds of CPU time of every item, then wall seconds of all, then a checksum of all
    /// that came out.
    private func times(
        _ count: Int, _ make: (Int) -> (@Sendable () throws -> [[UInt8]])
    ) throws -> [Double] {
        let works = (0..<count).map(make)
        let total = count * rounds
        let lanes = (0..<threads).map { _ in Lane() }
        let start = ContinuousClock.now
        DispatchQueue.concurrentPerform(iterations: threads) { index in
            lanes[index].run(works, over: stride(from: index, to: total, by: threads))
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        if let failure = lanes.compactMap(\.failure).first { throw failure }
        return lanes.flatMap(\.times) + [seconds, Double(lanes.reduce(0) { $0 ^ $1.checksum })]
    }
}

/// What one thread made. Each is touched by one thread at a time.
private final class Lane: @unchecked Sendable {
    var times: [Double] = []
    var checksum: UInt64 = 0
    var failure: (any Error)?

    func run(_ works: [@Sendable () throws -> [[UInt8]]], over indices: StrideTo<Int>) {
        do {
            for index in indices {
                let start = threadSeconds()
                let made = try works[index % works.count]()
                times.append((threadSeconds() - start) * 1000)
                if index < works.count { checksum ^= sum(made, seed: UInt64(index)) }
            }
        } catch {
            failure = error
        }
    }

    /// Below 2⁵², so that a Double holds it.
    private func sum(_ parts: [[UInt8]], seed: UInt64) -> UInt64 {
        var sum = seed
        for part in parts {
            var place: UInt64 = 1
            for byte in part {
                sum &+= place &* UInt64(byte)
                place = place == 65521 ? 1 : place + 1
            }
        }
        return sum % (1 << 52)
    }
}

private struct ItemList: Decodable, Sendable {
    struct Item: Decodable, Sendable {
        /// x, y, width, height.
        let box: [Double]
        /// Left, top, right, bottom, of the training crop.
        let margins: [Double]
        let mirror: Bool
        /// Brightness, contrast, saturation, hue by number, and by how much.
        let jitter: [[Double]]
        let grey: Bool
        let blur: Double?

        var bounds: Box { Box(cocoX: box[0], y: box[1], width: box[2], height: box[3]) }
        var testWindow: CropWindow { CropWindow(around: bounds, margins: .test(rate: 0.6)) }
    }
    let image: String
    let width: Int
    let height: Int
    let items: [Item]
}

private func testItem(_ item: ItemList.Item, image: String, side: Size) throws -> [[UInt8]] {
    let window = item.testWindow
    let part = try ImageCodec.decode(path: image, covering: [window])
    let crop = try part.wrappedCrop(window, resizedTo: side)
    let mask = try Mask(
        box: item.bounds, image: part.imageSize, zeroPaddedCrop: window, resizedTo: side)
    return [crop.pixels, mask.pixels]
}

private func trainingItem(_ item: ItemList.Item, image: String, side: Size) throws -> [[UInt8]] {
    let margins = Margins(
        left: item.margins[0], top: item.margins[1], right: item.margins[2],
        bottom: item.margins[3])
    let window = CropWindow(around: item.bounds, margins: margins)
    let part = try ImageCodec.decode(path: image, covering: [window])
    let crop = try part.wrappedCrop(window, resizedTo: side, isMirrored: item.mirror)
    let mask = try Mask(
        box: item.bounds, image: part.imageSize, wrappedCrop: window, resizedTo: side,
        isMirrored: item.mirror)
    let draw = AugmentationDraw(
        adjustments: item.jitter.map { change in
            switch change[0] {
            case 0: .brightness(change[1])
            case 1: .contrast(change[1])
            case 2: .saturation(change[1])
            default: .hue(change[1])
            }
        }, isGrayscale: item.grey, blurRadius: item.blur)
    return [crop.augmented(draw).pixels, crop.pixels, mask.pixels]
}

/// The network's output for a round object, 0 outside its box.
private func disc(side: Int) -> [Float] {
    (0..<side * side).map { place in
        let x = (Float(place % side) + 0.5) / Float(side) - 0.5
        let y = (Float(place / side) + 0.5) / Float(side) - 0.5
        let reach = (x * x + y * y) * 16 / 1.69
        return max(abs(x), abs(y)) > 0.5 / 1.3 ? 0 : 1 / (1 + reach * reach * reach * reach)
    }
}

private func threadSeconds() -> Double { seconds(of: CLOCK_THREAD_CPUTIME_ID) }
func cpuSeconds() -> Double { seconds(of: CLOCK_PROCESS_CPUTIME_ID) }

private func seconds(of clock: clockid_t) -> Double {
    var now = timespec()
    clock_gettime(clock, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}
