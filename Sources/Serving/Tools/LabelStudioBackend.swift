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

    /// The answer of `POST /predict`.
    func predict(_ body: JSONValue) async throws -> JSONValue {
        guard let tasks = body["tasks"]?.list else {
            throw Refusal.wrong(
                "tasks: expected a list of tasks, found \(body["tasks"]?.snippet ?? "nothing")")
        }
        let config = LabelConfig(body["label_config"]?.text ?? "")
        let drawn = body["params"]?["context"]?["result"]?.list
        var boxCount = 0
        var results: [JSONValue] = []
        for (place, task) in tasks.enumerated() {
            let rectangles = Self.rectangles(of: task, drawn: drawn)
            boxCount += rectangles.count
            guard boxCount <= maxBoxes else {
                throw Refusal(
                    .contentTooLarge, "tasks: expected at most \(maxBoxes) rectangles, found more")
            }
            guard !rectangles.isEmpty else {
                results.append(["result": [], "score": 0, "model_version": .text(Self.version)])
                continue
            }
            let name = "tasks[\(place)].data.\(config.dataKey)"
            let source = try Self.source(task["data"]?[config.dataKey], name)
            results.append(try await prediction(source, rectangles, config))
        }
        return ["results": .list(results), "model_version": .text(Self.version)]
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
        _ source: MaskRequest.Source, _ rectangles: [Rectangle], _ config: LabelConfig
    ) async throws -> JSONValue {
        let answer = try await service.masks(in: source) { size in
            rectangles.map { $0.box(in: size) }
        }
        var shapes: [JSONValue] = []
        var scores: [Double] = []
        for (rectangle, result) in zip(rectangles, answer.results) {
            guard let mask = result.mask, mask.rle.area > 0 else { continue }
            let bytes = LabelStudioRLE.encode(mask.rle)
            scores.append(mask.score)
            shapes.append([
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
            ])
        }
        // A task is as good as its worst mask: sorted by score, doubtful tasks come first.
        return [
            "result": .list(shapes), "score": JSONValue(scores.min() ?? 0),
            "model_version": .text(Self.version),
        ]
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
        throw Refusal.wrong(
            "\(name): expected /data/local-files/?d=PATH or an uploaded file, found \(text.quoted)")
    }
}
