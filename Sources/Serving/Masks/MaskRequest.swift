import Files
import Foundation
import HTTPTypes
import Imaging

/// What `POST /v1/masks` asks for.
struct MaskRequest: Sendable {
    struct Item: Sendable {
        let box: Box
        /// As it came: a whole number, a text or nothing.
        let id: JSONValue
        let category: JSONValue
    }

    enum Source: Sendable {
        case bytes([UInt8])
        /// Below the image folders.
        case path(String)
        case url(String)
    }

    let image: Source
    let items: [Item]
    let polygonTolerance: Double?

    /// - Parameter hold: counts what the body's JSON takes.
    /// - Throws: ``Refusal``.
    init(
        body: [UInt8], contentType: String, maxBoxes: Int, _ hold: MemoryBudget.Hold
    ) throws {
        let type = contentType.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces)
            .lowercased()
        switch type {
        case "application/json":
            let json = try JSONValue(json: body, hold)
            guard json.isObject else {
                throw Refusal.wrong("the body: expected an object, found \(json.snippet)")
            }
            image = try Self.image(json["image"])
            items = try Self.items(json["boxes"], maxBoxes)
            polygonTolerance = try Self.tolerance(json["polygons"], json["tolerance"])
        case "multipart/form-data":
            let parts = try Multipart(Data(body), contentType: contentType).parts
            guard let file = parts["image"] else {
                throw Refusal.wrong("image: expected a part with an image file, found none")
            }
            image = .bytes([UInt8](file))
            func json(_ name: String) throws -> JSONValue? {
                try parts[name].map { try JSONValue(json: [UInt8]($0), name: name, hold) }
            }
            items = try Self.items(json("boxes"), maxBoxes)
            polygonTolerance = try Self.tolerance(json("polygons"), json("tolerance"))
        default:
            throw Refusal(
                .unsupportedMediaType,
                "Content-Type: expected application/json or multipart/form-data, found "
                    + type.quoted)
        }
    }

    private static func image(_ value: JSONValue?) throws -> Source {
        let kinds = ["base64", "path", "url"].filter { value?[$0] != nil }
        guard kinds.count == 1, let value = value?[kinds[0]] else {
            throw Refusal.wrong(
                "image: expected one of base64, path and url, found \(value?.snippet ?? "nothing")")
        }
        guard let text = value.text else {
            throw Refusal.wrong("image.\(kinds[0]): expected a text, found \(value.snippet)")
        }
        switch kinds[0] {
        case "path": return .path(text)
        case "url": return .url(text)
        default: return .bytes(try base64(value, "image.base64"))
        }
    }

    static func base64(_ value: JSONValue?, _ name: String) throws -> [UInt8] {
        guard var text = value?.text else {
            throw Refusal.wrong(
                "\(name): expected a text of Base64, found \(value?.snippet ?? "nothing")")
        }
        if text.hasPrefix("data:"), let comma = text.firstIndex(of: ",") {
            text = String(text[text.index(after: comma)...])
        }
        guard let data = Data(base64Encoded: text, options: .ignoreUnknownCharacters) else {
            throw Refusal.wrong("\(name): expected Base64, found \(text.quoted)")
        }
        return [UInt8](data)
    }

    private static func items(_ value: JSONValue?, _ maxBoxes: Int) throws -> [Item] {
        guard let list = value?.list else {
            throw Refusal.wrong(
                "boxes: expected a list of boxes, found \(value?.snippet ?? "nothing")")
        }
        guard list.count <= maxBoxes else {
            throw Refusal(
                .contentTooLarge, "boxes: expected at most \(maxBoxes), found \(list.count)")
        }
        return try list.enumerated().map { place, value in
            let name = "boxes[\(place)]"
            let numbers = value.isObject ? value["box"] : value
            return Item(
                box: try box(numbers, value.isObject ? name + ".box" : name),
                id: try label(value["id"], name + ".id"),
                category: try label(value["category"], name + ".category"))
        }
    }

    private static func box(_ value: JSONValue?, _ name: String) throws -> Box {
        guard let numbers = value?.numbers, numbers.count == 4 else {
            throw Refusal.wrong(
                "\(name): expected four numbers [x, y, width, height], found "
                    + (value?.snippet ?? "nothing"))
        }
        return Box(cocoX: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3])
    }

    private static func label(_ value: JSONValue?, _ name: String) throws -> JSONValue {
        switch value {
        case nil: return .null
        case .text(let text)? where text.utf8.count <= 1_000: return .text(text)
        // Whole numbers beyond are not kept exactly.
        case .number(let number)? where number == number.rounded() && number.magnitude < 0x1p53:
            return .number(number)
        case let value?:
            throw Refusal.wrong(
                "\(name): expected a whole number below 2^53 or a text of at most 1000 bytes, "
                    + "found "
                    + value.snippet)
        }
    }

    private static func tolerance(
        _ polygons: JSONValue?, _ tolerance: JSONValue?
    ) throws -> Double? {
        guard let isAsked = (polygons ?? true).boolean else {
            throw Refusal.wrong(
                "polygons: expected true or false, found \(polygons?.snippet ?? "nothing")")
        }
        guard let value = (tolerance ?? 0).number, (0...1_000).contains(value) else {
            throw Refusal.wrong(
                "tolerance: expected 0 to 1000 pixels, found \(tolerance?.snippet ?? "nothing")")
        }
        return isAsked ? value : nil
    }
}
