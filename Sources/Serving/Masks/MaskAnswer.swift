import Annotations
import Imaging
import MaskAutoLabeler

extension MaskService.Answer {
    /// The answer of `POST /v1/masks`, as JSON.
    ///
    /// - Parameters:
    ///   - tolerance: of the polygons; nil leaves them out.
    ///   - hold: counts the answer.
    func json(
        _ items: [MaskRequest.Item], tolerance: Double?, _ hold: MemoryBudget.Hold
    ) throws -> String {
        var masks = ""
        for (item, result) in zip(items, results) {
            var entry: [String: JSONValue] = [
                "box": .list(
                    [item.box.minX, item.box.minY, item.box.width, item.box.height].map {
                        JSONValue($0)
                    })
            ]
            if item.id != .null { entry["id"] = item.id }
            if item.category != .null { entry["category"] = item.category }
            if let reason = result.reason { entry["reason"] = .text(reason) }
            entry["area"] = JSONValue(result.mask?.rle.area ?? 0)
            entry["score"] = JSONValue(result.mask?.score ?? 0)
            entry["segmentation"] = result.mask?.rle.cocoJSON ?? .null
            if let tolerance {
                let polygons = try result.mask?.polygons(tolerance: tolerance) ?? []
                entry["polygons"] = .list(polygons.map { .list($0.map { JSONValue($0) }) })
            }
            let text = JSONValue.object(entry).json
            try hold.add(text.utf8.count)
            masks += (masks.isEmpty ? "" : ",") + text
        }
        return "{\"image\":\(size.json.json),\"masks\":[\(masks)]}"
    }

    /// A picture of the image's size: 0 where there is no mask, else the place of the box, from 1; later boxes lie
    /// over earlier ones.
    func labelPicture(_ hold: MemoryBudget.Hold) throws -> [UInt8] {
        var labels = [UInt16](repeating: 0, count: size.width * size.height)
        for (place, result) in results.enumerated() {
            guard let mask = result.mask else { continue }
            mask.rle.forEachRun { start, length in
                for pixel in start..<start + length {
                    labels[pixel % size.height * size.width + pixel / size.height] =
                        UInt16(clamping: place + 1)
                }
            }
        }
        let pixels =
            results.count < 256
            ? LabelPixels.bytes(labels.map { UInt8($0) }) : LabelPixels.words(labels)
        let picture = try ImageCodec.encodePNG(labels: pixels, size: size)
        try hold.add(picture.count)
        return picture
    }
}

extension RLE {
    /// As COCO writes it.
    var cocoJSON: JSONValue {
        [
            "size": [JSONValue(size.height), JSONValue(size.width)],
            "counts": .text(compressedString),
        ]
    }
}

extension Size {
    var json: JSONValue { ["width": JSONValue(width), "height": JSONValue(height)] }
}
