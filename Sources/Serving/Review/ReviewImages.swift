import Annotations
import Files
import Foundation
import Imaging
import Synchronization

/// The photographs under review: their sizes, and their pixels by tiles.
final class ReviewImages: Sendable {
    private let records: [ImageRecord]
    private let folders: ImageFolders
    private let finder: ImageFinder
    private let options: DecodeOptions
    private let sizes = Mutex<[Int: Size]>([:])
    private let decoded = DecodedImages()

    static let maxTileSide = 2_048

    init(_ file: AnnotationFile, directory: String, options: DecodeOptions) throws {
        records = file.images
        folders = try ImageFolders([directory])
        finder = ImageFinder(directory)
        self.options = options
    }

    var places: Range<Int> { records.indices }

    private func bytes(of place: Int) throws -> (bytes: [UInt8], name: String) {
        let name = try records[place].relativePath()
        let found = finder.find([name]) ?? name
        do {
            return (try folders.read(found), found)
        } catch {
            guard finder.find([name]) != nil else { throw error }
            throw Refusal.wrong(
                "\(printable(found)): it is a link that leads out of --images, or can't be read")
        }
    }

    /// As it will be decoded.
    func size(of place: Int) throws -> Size {
        if let size = sizes.withLock({ $0[place] }) { return size }
        let (bytes, name) = try bytes(of: place)
        let header = try bytes.withUnsafeBytes { raw in
            Result { () throws(ImageError) in try ImageCodec.header(bytes: raw, name: name) }
        }.get()
        let size = options.applyEXIF ? header.orientedSize : header.size
        sizes.withLock { $0[place] = size }
        return size
    }

    func image(_ place: Int) async throws -> RGBImage {
        try await decoded.image(place) {
            let (bytes, name) = try bytes(of: place)
            return try ImageCodec.decode(bytes: bytes, name: name, options: options)
        }
    }

    /// A rectangle of a photograph as a JPEG file, each pixel the mean of `scale` × `scale` pixels.
    ///
    /// - Throws: ``Refusal`` for a rectangle outside the image.
    func tile(
        of place: Int, x: Int, y: Int, width: Int, height: Int, scale: Int
    ) async throws -> [UInt8] {
        let size = try size(of: place)
        guard (1...64).contains(scale), x >= 0, y >= 0, width > 0, height > 0, x < size.width,
            y < size.height, width <= Self.maxTileSide * scale, height <= Self.maxTileSide * scale
        else {
            throw Refusal.wrong("tile: expected a rectangle of the image, which is \(size)")
        }
        let image = try await image(place)
        guard image.size == size else {
            throw Refusal.wrong("the photograph has changed since the review began: start it anew")
        }
        let (right, bottom) = (min(x + width, size.width), min(y + height, size.height))
        let out = Size(
            height: (bottom - y + scale - 1) / scale, width: (right - x + scale - 1) / scale)
        var pixels = [UInt8](repeating: 0, count: out.width * out.height * 3)
        image.pixels.withUnsafeBufferPointer { source in
            for row in 0..<out.height {
                let rows = y + row * scale..<min(y + (row + 1) * scale, bottom)
                for column in 0..<out.width {
                    let columns = x + column * scale..<min(x + (column + 1) * scale, right)
                    let count = rows.count * columns.count
                    for channel in 0..<3 {
                        var sum = count / 2
                        for sourceRow in rows {
                            for sourceColumn in columns {
                                sum += Int(
                                    source[(sourceRow * size.width + sourceColumn) * 3 + channel])
                            }
                        }
                        pixels[(row * out.width + column) * 3 + channel] = UInt8(sum / count)
                    }
                }
            }
        }
        return try ImageCodec.jpeg(RGBImage(size: out, pixels: pixels), quality: 92)
    }
}

/// The images that were used last. One is decoded at a time, and none twice for requests that come together.
private actor DecodedImages {
    /// The last one used is the last.
    private var images: [(place: Int, image: RGBImage)] = []
    /// Pixels that are kept, when more than one image is.
    private static let keptPixels = 64_000_000

    func image(_ place: Int, decode: @Sendable () throws -> RGBImage) throws -> RGBImage {
        let known = images.firstIndex { $0.place == place }
        let image = try known.map { images.remove(at: $0).image } ?? decode()
        images.append((place, image))
        while images.count > 1, pixelCount > Self.keptPixels { images.removeFirst() }
        return image
    }

    private var pixelCount: Int {
        images.reduce(0) { $0 + $1.image.size.width * $1.image.size.height }
    }
}
