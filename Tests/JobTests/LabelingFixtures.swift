import Foundation
import MaskAutoLabeler
import Specs
import TestSupport

/// A folder that is gone when the value is.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "mal-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + name))
        return path + "/" + name
    }
}

/// Spec keys of the small reference model on the small reference data set.
let microSettings: [SpecSetting] = [
    SpecSetting("test", "device", .text("cpu")),
    SpecSetting("test", "dataset.crop_size", .integer(64)),
    SpecSetting("test", "dataset.val_ann_path", .text(fixture("coco/instances.json"))),
    SpecSetting("test", "dataset.val_img_dir", .text(fixture("coco/images"))),
    SpecSetting("test", "inference.ann_path", .text(fixture("coco/instances.json"))),
    SpecSetting("test", "inference.img_dir", .text(fixture("coco/images"))),
    SpecSetting("test", "evaluate.checkpoint", .text(fixture("micro_vit_trained.pth"))),
    SpecSetting("test", "inference.checkpoint", .text(fixture("micro_vit_trained.pth"))),
    SpecSetting("test", "model.num_heads", .integer(3)),
]

/// Collects events for a test to look at.
final class EventLog: @unchecked Sendable {
    private let lock = NSLock()
    private var stored: [RunEvent] = []

    var events: [RunEvent] { lock.withLock { stored } }

    var texts: [String] {
        events.compactMap {
            switch $0 {
            case .note(let text), .warning(let text): text
            case .progress: nil
            }
        }
    }

    func record(_ event: RunEvent) { lock.withLock { stored.append(event) } }
}

func json(_ path: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
}

extension LabelJob.Options {
    static func with(_ change: (inout LabelJob.Options) -> Void) -> LabelJob.Options {
        var options = LabelJob.Options()
        change(&options)
        return options
    }
}
