import Foundation
import TestSupport
import Testing

@Suite("Library example")
struct TrainExampleTests {
    @Test("Examples/TrainExample trains, and stands in docs/train.md word by word")
    func example() throws {
        let root = URL(fileURLWithPath: fixture("")).deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = try String(
            contentsOf: root.appendingPathComponent("Examples/TrainExample/main.swift"),
            encoding: .utf8)
        let document = try String(
            contentsOf: root.appendingPathComponent("docs/train.md"), encoding: .utf8)
        #expect(document.contains("```swift\n\(source)```"))

        let results = NSTemporaryDirectory() + "mal-example-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: results) }
        let spec = root.appendingPathComponent("specs/train.yaml").path
        let process = Process()
        // Built beside the tests.
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("TrainExample")
        process.arguments = [
            spec, results, "device=cpu", "dataset.crop_size=32", "model.embed_dim=16",
            "model.depth=1", "model.num_heads=2", "model.mask_head_hidden_channel=8",
            "model.mask_head_out_channel=8", "train.max_steps=2",
            "dataset.train_ann_path=" + fixture("coco/instances.json"),
            "dataset.train_img_dir=" + fixture("coco/images"), "dataset.val_ann_path=null",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let text = String(decoding: data, as: UTF8.self)
        #expect(process.terminationStatus == 0, "\(text)")
        #expect(text.contains("step 2: loss "))
        #expect(FileManager.default.fileExists(atPath: results + "/train/model_latest/state.json"))
    }
}
