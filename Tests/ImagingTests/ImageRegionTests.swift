import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct ImageRegionTests {
    static let names = ["444", "422", "420", "restart", "progressive", "grey"]
    static let size = Size(height: 117, width: 150)

    @Test("crops of a part equal crops of the whole image", arguments: names)
    func equalsWhole(name: String) throws {
        let path = fixture("regions/\(name).jpg")
        let whole = try ImageCodec.decode(path: path)
        #expect(whole.size == Self.size)
        let random = noise(4 * 60, seed: 3).map(Int.init)
        let windows = (0..<60).map { index -> CropWindow in
            let values = random[4 * index..<4 * index + 4].map { $0 }
            let (x, y) = (values[0] % 150, values[1] % 117)
            return CropWindow(
                minX: x, minY: y, maxX: min(x + 1 + values[2] % 70, 150 + values[2] / 250),
                maxY: min(y + 1 + values[3] % 70, 117 + values[3] / 250))
        }
        for window in windows {
            let region = try ImageCodec.decode(path: path, covering: [window])
            #expect(region.imageSize == Self.size)
            let crop = try region.wrappedCrop(window, resizedTo: window.size)
            #expect(try crop == whole.wrappedCrop(window), "\(window)")
        }
        for pair in stride(from: 0, to: 60, by: 2) {
            let region = try ImageCodec.decode(
                path: path, covering: [windows[pair], windows[pair + 1]])
            for window in windows[pair...pair + 1] {
                let crop = try region.wrappedCrop(window, resizedTo: Size(square: 24))
                #expect(try crop == whole.wrappedCrop(window, resizedTo: Size(square: 24)))
            }
        }
    }

    @Test("a small window decodes a small part; a progressive image is decoded whole")
    func extent() throws {
        let window = CropWindow(minX: 40, minY: 30, maxX: 60, maxY: 70)
        for name in Self.names {
            let region = try ImageCodec.decode(
                path: fixture("regions/\(name).jpg"), covering: [window])
            let isWhole = name == "progressive"
            #expect(region.columns == (isWhole ? 0..<150 : 40..<60), "\(name)")
            #expect(region.rows == (isWhole ? 0..<117 : 30..<70), "\(name)")
        }
        let over = CropWindow(minX: -1, minY: 30, maxX: 60, maxY: 70)
        let region = try ImageCodec.decode(
            path: fixture("regions/420.jpg"), covering: [over])
        #expect(region.columns == 0..<150)
        #expect(region.rows == 30..<70)
    }

    @Test("a cut image is truncated, wherever the part lies")
    func truncated() throws {
        let bytes = [UInt8](
            try Data(contentsOf: URL(fileURLWithPath: fixture("regions/420.jpg"))))
        let window = CropWindow(minX: 10, minY: 5, maxX: 20, maxY: 12)
        for length in [3, 300, bytes.count / 2, bytes.count - 20, bytes.count - 1] {
            #expect(throws: ImageError.truncated(file: "cut", format: .jpeg), "\(length)") {
                try bytes.prefix(length).withUnsafeBytes {
                    _ = try ImageCodec.decode(bytes: $0, name: "cut", covering: [window])
                }
            }
        }
    }

    @Test("an image that decodes with changed bytes has the same pixels in part", arguments: names)
    func mutated(name: String) throws {
        let bytes = [UInt8](
            try Data(contentsOf: URL(fileURLWithPath: fixture("regions/\(name).jpg"))))
        let random = noise(9 * 100, seed: 11).map(Int.init)
        for round in 0..<100 {
            let values = Array(random[9 * round..<9 * round + 9])
            var changed = bytes
            for pair in 0..<2 {
                let place = values[3 * pair] << 8 | values[3 * pair + 1]
                changed[place % bytes.count] = UInt8(values[3 * pair + 2])
            }
            let (x, y) = (values[6] % 140, values[7] % 110)
            let window = CropWindow(
                minX: x, minY: y, maxX: min(x + 2 + values[8] % 40, 150), maxY: y + 7)
            changed.withUnsafeBytes { raw in
                let options = DecodeOptions(maxPixels: 1_000_000)
                let region = try? ImageCodec.decode(
                    bytes: raw, covering: [window], options: options)
                guard let whole = try? ImageCodec.decode(bytes: raw, options: options),
                    let wanted = try? whole.wrappedCrop(window)
                else { return }
                let crop = try? region?.wrappedCrop(window, resizedTo: window.size)
                #expect(crop == wanted, "round \(round)")
            }
        }
    }
}
