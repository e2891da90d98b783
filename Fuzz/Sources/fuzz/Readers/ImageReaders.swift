import CFuzz
import Imaging

extension Reader {
    static func jpeg(_ places: Places) throws -> Reader { try image("jpeg", places) }
    static func webp(_ places: Places) throws -> Reader { try image("webp", places) }
    static func tiff(_ places: Places) throws -> Reader { try image("tiff", places) }
    static func bmp(_ places: Places) throws -> Reader { try image("bmp", places) }

    /// Checksums would refuse most changed PNG files, so three in four get right ones.
    static func png(_ places: Places) throws -> Reader {
        let built = PNGFile.samples
        let mutate = Mutator(try imageCorpus("png", places) + built, limit: 1 << 14)
        return image("png", places) { random in
            var bytes = mutate(&random)
            if !random.oneIn(4) { PNGFile.repair(&bytes) }
            return bytes
        }
    }

    private static func imageCorpus(_ format: String, _ places: Places) throws -> [[UInt8]] {
        try places.corpus("Tests/Fixtures/images", prefix: format + "_")
    }

    private static func image(_ format: String, _ places: Places) throws -> Reader {
        let mutate = Mutator(try imageCorpus(format, places), limit: 1 << 14)
        return image(format, places) { mutate(&$0) }
    }

    private static func image(
        _ format: String, _ places: Places, generate: @escaping (inout Random) -> [UInt8]
    ) -> Reader {
        Reader(name: format, generate: generate) { input, index in
            // The image libraries are not built with the sanitizer; the guard page stands in for
            // it on the side of the input.
            let bytes = UnsafeRawBufferPointer(
                start: cf_guarded(input, input.count), count: input.count)
            let options = DecodeOptions(maxPixels: 1 << 22, applyEXIF: index % 2 == 0)
            let header = try ImageCodec.header(bytes: bytes)
            if index % 16 == 0 {
                let path = places.write(input)
                require(try ImageCodec.header(path: path) == header, "two headers of one file")
                _ = try? ImageCodec.decode(path: path, options: options)
            }
            let image = try ImageCodec.decode(bytes: bytes, options: options)
            let size = options.applyEXIF ? header.orientedSize : header.size
            require(image.size == size, "the header says \(size), the image has \(image.size)")
            require(image.pixels.count == 3 * size.height * size.width, "not all pixels")
            // Every byte of the image is looked at.
            require(image.pixels.reduce(0) { $0 &+ Int($1) } >= 0, "no sum")
        }
    }
}
