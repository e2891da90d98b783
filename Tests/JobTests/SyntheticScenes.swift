import Foundation
import Imaging
import Specs
import Training

/// A small data set of coloured rectangles and discs on noise, with true masks as polygons.
struct SyntheticScenes {
    let boxes: String
    let images: String

    init(in folder: TemporaryFolder, count: Int = 6, name: String = "scenes") throws {
        images = folder.path + "/" + name
        try FileManager.default.createDirectory(atPath: images, withIntermediateDirectories: true)
        var records: [String] = []
        var annotations: [String] = []
        var random = LinearNumbers(state: 7)
        let size = Size(height: 96, width: 128)
        for image in 0..<count {
            var pixels = (0..<size.height * size.width * 3).map { _ in
                UInt8(60 + random.next(below: 40))
            }
            for shape in 0..<2 {
                let width = 30 + random.next(below: 16)
                let height = 28 + random.next(below: 20)
                let x = shape * 62 + random.next(below: 12) + 2
                let y = 10 + random.next(below: 30)
                for row in y..<y + height {
                    for column in x..<x + width {
                        let place = (row * size.width + column) * 3
                        pixels[place + shape] = 230
                        pixels[place + 2] = UInt8(20 + 20 * shape)
                    }
                }
                annotations.append(
                    """
                    {"id": \(annotations.count + 1), "image_id": \(image), "category_id": \
                    \(shape + 1), "bbox": [\(x), \(y), \(width), \(height)], "iscrowd": 0, "area": \
                    \(width * height), "segmentation": [[\(x), \(y), \(x + width), \(y), \
                    \(x + width), \(y + height), \(x), \(y + height)]]}
                    """)
            }
            let png = try ImageCodec.encodePNG(RGBImage(size: size, pixels: pixels))
            try Data(png).write(to: URL(fileURLWithPath: images + "/\(image).png"))
            records.append(
                "{\"id\": \(image), \"file_name\": \"\(image).png\", \"width\": 128, \"height\": 96}"
            )
        }
        boxes = try folder.file(
            name + ".json",
            """
            {"images": [\(records.joined(separator: ", "))], "annotations": \
            [\(annotations.joined(separator: ", "))], "categories": [{"id": 1, "name": "red"}, \
            {"id": 2, "name": "green"}]}
            """)
    }

    /// A spec of a tiny network on these scenes.
    func spec(results: String) -> String {
        """
        results_dir: \(results)
        device: cpu
        dataset:
          train_ann_path: \(boxes)
          train_img_dir: \(images)
          val_ann_path: \(boxes)
          val_img_dir: \(images)
          crop_size: 32
          min_obj_size: 100
        model:
          arch: vit-tiny/8
          embed_dim: 16
          depth: 2
          num_heads: 2
          vit_dpr: 0.2
          mask_head_hidden_channel: 8
          mask_head_out_channel: 8
        train:
          num_epochs: 10
          batch_size: 3
          lr: 0.001
          loss_mil_step: 4
          loss_crf_step: 6
          crf_num_iter: 5
          validation_interval: 5
          checkpoint_interval: 5
        evaluate: {checkpoint: none}

        """
    }
}

private struct LinearNumbers {
    var state: UInt64

    mutating func next(below bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
}

/// Collects what a run tells.
final class TrainingLog: @unchecked Sendable {
    private let lock = NSLock()
    private var stored: [TrainEvent] = []

    var events: [TrainEvent] { lock.withLock { stored } }

    var texts: [String] {
        events.compactMap {
            switch $0 {
            case .run(.note(let text)), .run(.warning(let text)): text
            default: nil
            }
        }
    }

    var steps: [TrainingProgress] {
        events.compactMap { if case .step(let progress) = $0 { progress } else { nil } }
    }

    func record(_ event: TrainEvent) { lock.withLock { stored.append(event) } }
}
