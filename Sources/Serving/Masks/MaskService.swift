import Annotations
import Foundation
import Imaging
import Inference
import MaskAutoLabeler

/// Labels boxes of images for the server: decodes, waits for room, gives reasons where there is no mask.
final class MaskService: Sendable {
    struct Answer: Sendable {
        let size: Size
        /// For each box.
        let results: [Result]
    }

    struct Result: Sendable {
        let mask: ObjectMask?
        /// Why there is none, or why it is empty.
        let reason: String?
    }

    let labeler: MaskLabeler
    let folders: ImageFolders
    let queue: RequestQueue
    private let maxPixels: Int
    private let metrics: Metrics

    init(_ options: ServerOptions, labeler: MaskLabeler, metrics: Metrics) throws {
        self.labeler = labeler
        self.metrics = metrics
        folders = try ImageFolders(options.imageFolders)
        maxPixels = options.maxPixels
        queue = RequestQueue(maxWaiting: options.maxQueue, pixels: options.maxPixels)
    }

    /// - Parameter boxes: made of the image's size.
    /// - Throws: `ImageError`, ``Refusal``, `LabelingError`, `CancellationError`.
    func masks(
        in source: MaskRequest.Source, boxes: @escaping @Sendable (Size) throws -> [Box]
    ) async throws -> Answer {
        let (bytes, name) =
            switch source {
            case .bytes(let bytes): (bytes, "image")
            case .path(let path): (try folders.read(path), path)
            }
        let size = try bytes.withUnsafeBytes { raw in
            Swift.Result { () throws(ImageError) in
                try ImageCodec.header(bytes: raw, name: name).size
            }
        }.get()
        guard let count = size.pixelCount, count <= maxPixels else {
            throw ImageError.tooLarge(file: name, size: size, maxPixels: maxPixels)
        }
        return try await queue.withRoom(for: count) { [self] in
            let pixels = try ImageCodec.decode(
                bytes: bytes, name: name, options: DecodeOptions(maxPixels: maxPixels))
            return try await label(Image(pixels), boxes(pixels.size))
        }
    }

    private func label(_ image: Image, _ boxes: [Box]) async throws -> Answer {
        let size = Size(height: image.height, width: image.width)
        let usable = boxes.indices.filter {
            PlannedBox(boxes[$0], place: $0, imageSize: size) != nil
        }
        let masks = try await labeler.masks(in: image, boxes: usable.map { boxes[$0] })
        var results = boxes.map { box in
            Result(
                mask: nil,
                reason: "expected a box with pixels of the image, which is \(size), found x "
                    + "\(box.minX), y \(box.minY), width \(box.width), height \(box.height)")
        }
        for (place, mask) in zip(usable, masks) {
            results[place] = Result(
                mask: mask, reason: mask.rle.area == 0 ? "the mask is empty" : nil)
        }
        metrics.add(boxes: boxes.count, masks: masks.count { $0.rle.area > 0 })
        return Answer(size: size, results: results)
    }
}
