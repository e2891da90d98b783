import COCO
import Foundation
import Imaging

/// Draws each labelled image's masks and boxes into `directory`, one PNG an image.
/// - Returns: how many were drawn.
func drawOverlays(
    plan: BoxPlan, file: AnnotationFile, journal: LabelProgress, directory: String,
    decoding: DecodeOptions, onEvent: RunEventHandler
) throws -> Int {
    var start = 0
    var drawn = 0
    while start < plan.boxes.count {
        let image = plan.boxes[start].image
        let end =
            plan.boxes[start...].firstIndex { $0.image != image } ?? plan.boxes.endIndex
        defer { start = end }
        onEvent(
            .progress(stage: "drawing", done: start, total: plan.boxes.count, unit: "boxes"))
        guard let path = plan.imagePaths[image],
            let picture = try? ImageCodec.decode(path: path, options: decoding)
        else { continue }
        var overlay = Overlay(picture)
        for planned in plan.boxes[start..<end] {
            guard
                case .mask(let counts, _, let size, _, _)? = try journal.outcome(
                    annotation: planned.annotation),
                // The image may have changed since.
                size == picture.size
            else { continue }
            let mask = try RLE(size: size, compressed: counts).mask(maxPixels: decoding.maxPixels)
            overlay.draw(mask, index: planned.annotation)
            overlay.draw(planned.box, index: planned.annotation)
        }
        let name = try file.images[image].relativePath()
            .replacingOccurrences(of: "/", with: "_")
        try writeWholeFile(
            try ImageCodec.encodePNG(overlay.image), to: directory + "/" + name + ".png")
        drawn += 1
    }
    onEvent(
        .progress(
            stage: "drawing", done: plan.boxes.count, total: plan.boxes.count, unit: "boxes"))
    return drawn
}
