import Annotations
import Files
import Formats
import Foundation
import HTTPTypes
import Imaging
import MaskAutoLabeler
import Specs

/// A Label Studio ML backend: gives the rectangles of tasks their masks, as a brush would paint them.
struct LabelStudioBackend: Sendable {
    let service: MaskService
    let maxBoxes: Int
    let onEvent: RunEventHandler

    static let version = "mal " + Product.version

    private struct Rectangle {
        let labels: [JSONValue]
        /// Per cent of the picture's sides.
        let x: Double
        let y: Double
        let width: Double
        let height: Double

        /// nil for what is no upright rectangle.
        init?(_ result: JSONValue) {
            let value = result["value"]
            guard let type = result["type"]?.text, type.hasPrefix("rectangle"),
                let x = value?["x"]?.number, let y = value?["y"]?.number,
                let width = value?["width"]?.number, let height = value?["height"]?.number,
                value?["rotation"]?.number ?? 0 == 0
            else { return nil }
            (self.x, self.y, self.width, self.height) = (x, y, width, height)
            labels = value?["rectanglelabels"]?.list ?? []
        }

        func box(in size: Size) -> Box {
            Box(
                cocoX: x / 100 * Double(size.width), y: y / 100 * Double(size.height),
                width: width / 100 * Double(size.width),
                height: height / 100 * Double(size.height))
        }
    }

    /// The answer of `POST /predict`, as JSON. A task whose picture is not to be had gets an empty result; when a
    /// person waits for a mask, they are told why there is none.
    func predict(_ body: JSONValue, _ hold: MemoryBudget.Hold) async throws -> String {
        guard let tasks = body["tasks"]?.list else {
            throw Refusal.wrong(
                "tasks: expected a list of tasks, found \(body["tasks"]?.snippet ?? "nothing")")
        }
        let config = LabelConfig(body["label_config"]?.text ?? "")
        let drawn = body["params"]?["context"]?["result"]?.list
        var boxCount = 0
        var results: [String] = []
        for (place, task) in tasks.enumerated() {
            let rectangles = Self.rectangles(of: task, drawn: drawn)
            boxCount += rectangles.count
            guard boxCount <= maxBoxes else {
                throw Refusal(
                    .contentTooLarge, "tasks: expected at most \(maxBoxes) rectangles, found more")
            }
            guard !rectangles.isEmpty else {
                results.append(Self.result([], score: 0))
                continue
            }
            let name = "tasks[\(place)].data.\(config.dataKey)"
            do {
                let source = try Self.source(task["data"]?[config.dataKey], name)
                results.append(try await prediction(source, hold, rectangles, config))
            } catch {
                guard drawn == nil, let reason = Self.fault(error) else { throw error }
                onEvent(.warning("/predict: \(name): " + printable(reason, limit: 500)))
                results.append(Self.result([], score: 0))
            }
        }
        return "{\"model_version\":\(jsonText(Self.version)),\"results\":["
            + results.joined(separator: ",") + "]}"
    }

    private static func result(_ shapes: [String], score: Double) -> String {
        "{\"model_version\":\(jsonText(version)),\"result\":[" + shapes.joined(separator: ",")
            + "],\"score\":\(JSONValue(score).json)}"
    }

    /// Why a picture is not to be had; nil for what is the server's trouble.
    private static func fault(_ error: any Error) -> String? {
        switch error {
        case let error as ImageError: "\(error)"
        case let error as Refusal
        where error.status == .notFound || error.status == .unprocessableContent:
            error.message
        default: nil
        }
    }

    /// What was just drawn; without that what the task's annotations and predictions hold.
    private static func rectangles(of task: JSONValue, drawn: [JSONValue]?) -> [Rectangle] {
        if let drawn { return drawn.compactMap(Rectangle.init) }
        for key in ["annotations", "predictions"] {
            // The newest one stands for the others.
            let found = (task[key]?.list ?? []).last?["result"]?.list ?? []
            let rectangles = found.compactMap(Rectangle.init)
            if !rectangles.isEmpty { return rectangles }
        }
        return []
    }

    private func prediction(
        _ source: MaskRequest.Source, _ hold: MemoryBudget.Hold, _ rectangles: [Rectangle],
        _ config: LabelConfig
    ) async throws -> String {
        try await service.masks(in: source, hold) { size in
            rectangles.map { $0.box(in: size) }
        } answer: { answer in
            try Self.result(answer, hold, rectangles, config)
        }
    }

    private static func result(
        _ answer: MaskService.Answer, _ hold: MemoryBudget.Hold, _ rectangles: [Rectangle],
        _ config: LabelConfig
    ) throws -> String {
        var shapes: [String] = []
        var scores: [Double] = []
        for (rectangle, result) in zip(rectangles, answer.results) {
            guard let mask = result.mask, mask.rle.area > 0 else { continue }
            let bytes = LabelStudioRLE.encode(mask.rle)
            scores.append(mask.score)
            let shape: JSONValue = [
                "id": .text(String(UUID().uuidString.prefix(10))),
                "from_name": .text(config.brush), "to_name": .text(config.picture),
                "type": "brushlabels", "origin": "manual", "image_rotation": 0,
                "original_width": JSONValue(answer.size.width),
                "original_height": JSONValue(answer.size.height),
                "score": JSONValue(mask.score),
                "value": [
                    "format": "rle", "rle": .list(bytes.map { JSONValue(Int($0)) }),
                    "brushlabels": .list(rectangle.labels),
                ],
            ]
            shapes.append(shape.json)
            try hold.add(shapes[shapes.count - 1].utf8.count)
        }
        // A task is as good as its worst mask: sorted by score, doubtful tasks come first.
        return result(shapes, score: scores.min() ?? 0)
    }

    /// Where a task's picture is below the image folders.
    private static func source(_ value: JSONValue?, _ name: String) throws -> MaskRequest.Source {
        guard let text = value?.text else {
            throw Refusal.wrong(
                "\(name): expected the picture's address, found \(value?.snippet ?? "nothing")")
        }
        if text.hasPrefix("data:") { return .bytes(try MaskRequest.base64(value, name)) }
        let parts = URLComponents(string: text)
        if parts?.path.hasSuffix("/data/local-files/") ?? false,
            let path = parts?.queryItems?.first(where: { $0.name == "d" })?.value
        {
            return .path(path)
        }
        // Label Studio keeps what is uploaded in its folder `media`.
        if parts?.host == nil, let path = parts?.path, path.hasPrefix("/data/upload/") {
            return .path(String(path.dropFirst("/data/".count)))
        }
        guard parts?.host != nil else {
            throw Refusal.wrong(
                "\(name): expected /data/local-files/?d=PATH, an uploaded file or a URL, found "
                    + text.quoted)
        }
        return .url(text)
    }
}
