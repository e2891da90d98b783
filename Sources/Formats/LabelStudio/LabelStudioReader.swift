import Annotations
import Files
import Foundation
import Imaging

/// Label Studio's tasks. Rectangles and ellipses give boxes, rectangles that are turned and
/// polygons boxes and masks, brushes masks. Of a task with annotations of several people the ground
/// truth counts, else the last one; predictions count where there are no annotations.
struct LabelStudioReader {
    private let source: AnnotationSource

    init(_ source: AnnotationSource) {
        self.source = source
    }

    func read(into records: inout ImportedRecords) throws {
        records.places.unit = "task"
        let file = records.places.addFile(source.path)
        let root = try JSONDocument(path: source.path).root
        for (index, task) in (root.isObject ? [root] : root.elements).enumerated() {
            add(
                task, at: ImportPlaces.Place(file: file, number: Int32(clamping: index + 1)),
                to: &records)
        }
    }

    private func add(
        _ value: JSONValue, at place: ImportPlaces.Place, to records: inout ImportedRecords
    ) {
        let task = value.members
        guard let address = task["data"].flatMap(LabelStudioImage.address), !address.isEmpty else {
            return records.error(
                place, field: "data.image", expected: "an image's address",
                found: task["data"]?.snippet ?? "nothing")
        }
        let (name, found) = source.image(among: LabelStudioImage.names(of: address))
        let (field, drawing) = drawing(of: task, at: place, &records)
        let members = drawing?.members
        let results = (members?["result"]?.elements ?? []).map { ($0, $0.members) }
        let declared = results.lazy.compactMap { Self.size(of: $0.1) }.first
        guard let image = records.newImage(name, size: declared ?? found, at: place) else { return }
        if let id = task["id"]?.numberID { records.setID(id, ofImage: image) }
        let labels = Self.labels(results.map(\.1))
        var seen: Set<String> = []
        for (index, (value, result)) in results.enumerated() {
            let field = "\(field).result[\(index)]"
            let shape = LabelStudioResult(result, labels: labels, size: declared ?? found)
            guard shape.isShape else {
                if shape.isLeftOut {
                    records.warn(
                        place, field: field, expected: "a rectangle, polygon, ellipse or brush",
                        found: "\(shape.kind.quoted), which has no box: it is left out")
                }
                continue
            }
            // Tags of two kinds on one shape are two results of one id.
            if let id = result["id"]?.text, !seen.insert(id).inserted { continue }
            guard let label = shape.label else {
                records.warn(
                    place, field: field, expected: "a label",
                    found: "\(value.isObject ? "none" : value.snippet): it is left out")
                continue
            }
            do throws(LabelStudioResult.Fault) {
                var annotation = try shape.annotation(
                    image: image, category: records.category(label))
                annotation.id = result["id"]?.text.flatMap { Int64($0) }.map(RecordID.integer)
                if let score = result["score"]?.number ?? members?["score"]?.number {
                    annotation.members.add("score", number: score)
                }
                if let version = members?["model_version"]?.text {
                    annotation.members.add("model_version", text: version)
                }
                records.add(annotation, at: place)
            } catch {
                records.error(
                    place, field: field + ".value." + error.field, expected: error.expected,
                    found: error.found)
            }
        }
    }

    private func drawing(
        of task: JSONObject, at place: ImportPlaces.Place, _ records: inout ImportedRecords
    ) -> (field: String, JSONValue?) {
        for key in ["annotations", "completions", "predictions"] {
            let all = task[key]?.elements ?? []
            let counted = all.indices.filter { all[$0]["was_cancelled"]?.boolean != true }
            guard let last = counted.last else { continue }
            let chosen = counted.last { all[$0]["ground_truth"]?.boolean == true } ?? last
            if counted.count > 1 {
                records.warn(
                    place, field: key, expected: "one for each task",
                    found: "\(counted.count): only \(key)[\(chosen)] counts")
            }
            return ("\(key)[\(chosen)]", all[chosen])
        }
        return ("annotations", nil)
    }

    private static func size(of result: JSONObject) -> Size? {
        guard let height = result["original_height"]?.integer,
            let width = result["original_width"]?.integer,
            (1...0x7FFF_FFFF).contains(height), (1...0x7FFF_FFFF).contains(width)
        else { return nil }
        return Size(height: height, width: width)
    }

    /// The labels that results of their own give to shapes, by id.
    private static func labels(_ results: [JSONObject]) -> [String: String] {
        var labels: [String: String] = [:]
        for result in results {
            guard let id = result["id"]?.text, let value = result["value"],
                let label = LabelStudioResult.label(in: value.members)
            else { continue }
            labels[id] = labels[id] ?? label
        }
        return labels
    }
}
