import Exporting
import Foundation
import Inference
import MaskAutoLabeler
import Specs
import TestSupport
import Testing

@Suite("Exports")
struct ExportJobTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func export(
        _ precision: ONNXSettings.Precision, images: String? = nil, boxes: String? = nil,
        boxCount: Int = 128, log: EventLog = EventLog()
    ) async throws -> String {
        var calibration: ExportJob.Calibration?
        if let images, let boxes {
            calibration = ExportJob.Calibration(images: images, boxes: boxes)
            calibration?.boxCount = boxCount
        }
        return try await ExportJob(
            checkpoint: fixture("micro_vit_trained.pth"), output: folder.path + "/model.onnx",
            cropSize: 64, calibration: calibration, overrides: ["model.num_heads=3"],
            overwrites: true, configure: { $0.precision = precision }, onEvent: log.record
        ).run()
    }

    @Test("int8 tells what is missing, and calibration that nothing asks for")
    func missing() async throws {
        let needs = await #expect(throws: LabelingError.self) { try await export(.int8) }
        #expect(
            needs?.description
                == "--precision int8 needs photographs like those that the model will see: give "
                + "their folder as --calibrate, and a file with boxes in them as --boxes")
        let (images, boxes) = (fixture("coco/images"), fixture("coco/instances.json"))
        let unasked = await #expect(throws: LabelingError.self) {
            try await export(.fp16, images: images, boxes: boxes)
        }
        #expect(
            unasked?.description == "--calibrate goes with --precision int8, not with fp16")
        for count in [0, Int.max] {
            let wrong = await #expect(throws: LabelingError.self) {
                try await export(.int8, images: images, boxes: boxes, boxCount: count)
            }
            #expect(
                wrong?.description == "--calibration-boxes must be 1 to 1000000, is \(count)")
        }
    }

    @Test("photographs that can't be read are named, and the others calibrate")
    func broken() async throws {
        let images = folder.path + "/images"
        try FileManager.default.copyItem(atPath: fixture("coco/images"), toPath: images)
        let boxes = fixture("coco/instances.json")
        try Data("no picture".utf8).write(to: URL(fileURLWithPath: images + "/a.png"))
        let log = EventLog()
        let text = try await export(.int8, images: images, boxes: boxes, log: log)
        #expect(text.contains("boxes looked at; "))
        #expect(log.texts.contains { $0.hasPrefix("a.png: not calibrated with: ") })
        for name in try FileManager.default.contentsOfDirectory(atPath: images) {
            try Data("no picture".utf8).write(to: URL(fileURLWithPath: images + "/" + name))
        }
        let error = await #expect(throws: LabelingError.self) {
            try await export(.int8, images: images, boxes: boxes)
        }
        #expect(
            error?.description.contains("no box can be calibrated with; first reason: ") == true)
    }
}
