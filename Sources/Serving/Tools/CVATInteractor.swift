import Annotations
import Files
import Imaging
import MaskAutoLabeler

/// The HTTP form of a CVAT serverless function: an interactor that takes a box.
struct CVATInteractor: Sendable {
    let service: MaskService

    /// The mask as rows of 0 and 1, of the size of the whole picture, as CVAT expects it.
    func mask(_ body: JSONValue, _ hold: MemoryBudget.Hold) async throws -> [UInt8] {
        let image = try MaskRequest.base64(body["image"], "image")
        let corners = body["obj_bbox"]?.list?.map { $0.numbers ?? [] } ?? []
        guard corners.count == 2, corners.allSatisfy({ $0.count == 2 }) else {
            throw Refusal.wrong(
                "obj_bbox: expected two corners [[x, y], [x, y]], found "
                    + (body["obj_bbox"]?.snippet ?? "nothing"))
        }
        let box = Box(
            minX: min(corners[0][0], corners[1][0]), minY: min(corners[0][1], corners[1][1]),
            maxX: max(corners[0][0], corners[1][0]), maxY: max(corners[0][1], corners[1][1]))
        return try await service.masks(in: .bytes(image), hold) { _ in
            [box]
        } answer: { answer in
            let result = answer.results.first
            guard let mask = result?.mask, mask.rle.area > 0 else {
                throw Refusal.wrong("obj_bbox: " + (result?.reason ?? "there is no mask"))
            }
            try hold.add(2 * answer.size.width * answer.size.height)
            return Self.rows(of: mask.pixels)
        }
    }

    private static func rows(of mask: Mask) -> [UInt8] {
        var text = Array("{\"mask\": [".utf8)
        text.reserveCapacity(2 * mask.pixels.count + 4 * mask.size.height)
        for row in 0..<mask.size.height {
            text += row == 0 ? Array("[".utf8) : Array(",[".utf8)
            for column in 0..<mask.size.width {
                if column > 0 { text.append(UInt8(ascii: ",")) }
                text.append(UInt8(ascii: "0") + mask.pixels[row * mask.size.width + column])
            }
            text.append(UInt8(ascii: "]"))
        }
        return text + Array("]}".utf8)
    }
}
