package import Annotations
import Foundation
package import Imaging
package import Specs

/// Draws each labelled image's masks and boxes into `directory`, one PNG an image.
/// - Returns: how many were drawn.
package func drawOverlays(
    plan: BoxPlan, file: AnnotationFile, directory: String, decoding: DecodeOptions,
    onEvent: RunEventHandler, masks: (_ annotation: Int) throws -> RLE?
) throws -> Int {
    var start = 0
    var drawn = 0
    let names = OverlayNames(file).all
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
            guard let found = try masks(planned.annotation),
                // The image may have changed since.
                found.size == picture.size
            else { continue }
            let mask = try found.mask(maxPixels: decoding.maxPixels)
            overlay.draw(mask, index: planned.annotation)
            overlay.draw(planned.box, index: planned.annotation)
        }
        guard let name = names[image] else { continue }
        try OwnFiles.write(
            try ImageCodec.encodePNG(overlay.image), to: directory + "/" + name)
        drawn += 1
    }
    onEvent(
        .progress(
            stage: "drawing", done: plan.boxes.count, total: plan.boxes.count, unit: "boxes"))
    return drawn
}

/// The pictures' names for those of images, by position: one folder holds them all, and each has its
/// own.
struct OverlayNames {
    /// Nil for an image without a usable name.
    let all: [String?]

    init(_ file: AnnotationFile) {
        var taken: Set<String> = []
        all = file.images.map { image in
            guard let name = try? image.relativePath() else { return nil }
            let flat = name.replacing("/", with: "_")
            var picture = flat + ".png"
            var number = 2
            while !taken.insert(picture).inserted {
                picture = "\(flat)-\(number).png"
                number += 1
            }
            return picture
        }
    }
}
