import Annotations
import Files
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
    private let remote: RemoteImages
    private let maxPixels: Int
    private let metrics: Metrics

    init(_ options: ServerOptions, labeler: MaskLabeler, metrics: Metrics) throws {
        self.labeler = labeler
        self.metrics = metrics
        folders = try ImageFolders(options.imageFolders)
        remote = try RemoteImages(options.allowedHosts)
        maxPixels = options.maxPixels
        queue = RequestQueue(maxWaiting: options.maxQueue, pixels: options.maxPixels)
    }

    /// - Parameters:
    ///   - hold: counts the image's file.
    ///   - boxes: made of the image's size.
    ///   - answer: what becomes of the masks; it has the image's room still.
    /// - Throws: `ImageError`, ``Refusal``, `LabelingError`, `CancellationError`.
    func masks<Output: Sendable>(
        in source: MaskRequest.Source, _ hold: MemoryBudget.Hold,
        boxes: @Sendable (Size) throws -> [Box],
        answer: @Sendable (Answer) throws -> Output
    ) async throws -> Output {
        let (bytes, name) =
            switch source {
            case .bytes(let bytes): (bytes, "image")
            case .path(let path): (try folders.read(path, hold), printable(path))
            case .url(let url): (try await remote.read(url, hold), printable(url))
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
            return try await answer(label(Image(pixels), boxes(pixels.size)))
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
