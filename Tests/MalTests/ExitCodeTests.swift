import Foundation
import TestSupport
import Testing

private func metadata(_ entry: String) -> [String] {
    let model = fixture("micro_vit_trained.pth")
    return ["checkpoint", "convert", model, "out.safetensors", "--metadata", entry]
}

extension CommandLineTests {
    @Test(
        "An option that is wrong by itself ends with 64",
        arguments: [
            (["label", "--device", "gpu"], "--device: must be auto, cpu or cuda:N, is \"gpu\""),
            (["label", "--max-pixels", "0"], "--max-pixels: must be 1 or more, is 0"),
            (["label", "--batch-size", "0"], "--batch-size: must be 1 or more, is 0"),
            (["label", "--crop-size", "225"], "--crop-size: must be a multiple of 16, is 225"),
            (
                ["label", "dataset.crop_size=225"],
                "override dataset.crop_size=225: must be a multiple of 16"
            ),
            (["label", "dataset.crop_size"], "override dataset.crop_size: must be key=value"),
            (
                ["label", "--adapt", "0"],
                "The value '0' is invalid for '--adapt <adapt>': must be auto, steps (300) or a time"
            ),
            (
                ["label", "--adapt", "soon"],
                "The value 'soon' is invalid for '--adapt <adapt>': must be auto, steps (300) or"
            ),
            (
                ["label", "--adapted-model", "m.safetensors"], "--adapted-model needs --adapt"
            ),
            (["label", "--adapt", "1", "--shard", "1/2"], "--shard takes a finished model: "),
            (["adapt", "--steps", "0"], "--steps must be 1 to 1000000, is 0"),
            (["adapt", "--time", "300"], "--time must be a time such as 90s, 10m or 2h, is 300"),
            (["label", "--out", "voc:"], "--out voc: has no path after the colon"),
            (["label", "--tolerance", "5000"], "--tolerance must be 0 to 1000 pixels, is 5000.0"),
            (["convert", "--to", "tiff"], "--to tiff: expected one of coco, coco-rle, "),
            (
                ["convert", "--to", "yoloseg"],
                "--to yoloseg: did you mean yolo-seg? expected one of"
            ),
            (["label", "--out", "-"], "--out -: give a file, its journal"),
            (["convert", "--to", "tif"], "--to tif: expected one of coco, "),
            (["convert"], "x: --to is needed, one of coco, "),
            (["semantic", "--overlap", "big"], "--overlap must be area or score, is big"),
            (["semantic", "--void-border", "1001"], "--void-border must be 0 to 1000 pixels, is "),
            (["validate", "--max-pixels=-1"], "--max-pixels must be 1 to 4000000000, is -1"),
            (["validate", "--limit=-1"], "--limit must be 0 or more, is -1"),
            (["report", "--max-pixels", "0"], "--max-pixels must be 1 to 4000000000, is 0"),
            (
                ["checkpoint", "convert", "a", "b.bin"],
                "b.bin must end in .safetensors, or in .pth for TAO"
            ),
            (
                metadata("crop_size=abc"),
                "--metadata crop_size must be a whole number, 1 or more, is abc"
            ),
            (metadata("crop_size=225"), "--metadata crop_size must be a multiple of 16, is 225"),
            (metadata("num_heads=5"), "--metadata num_heads must divide the width 48, is 5"),
            (metadata("depth=9223372036854775808"), "--metadata depth must be a whole number, "),
            (metadata("mask_head_out_channel=3"), "--metadata mask_head_out_channel must be "),
            (
                metadata("mask_thres=0.5,2,0.5"),
                "--metadata mask_thres must be one or three numbers above 0 and below 1, is 0.5,2"
            ),
            (metadata("mask_thres"), "--metadata must be KEY=VALUE, is mask_thres"),
        ])
    func wrongOption(_ given: [String], _ message: String) throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let boxes = fixture("coco/instances.json")
        let images = fixture("coco/images")
        let rest =
            switch given[0] {
            case "label":
                [
                    images, "--boxes", boxes, "--checkpoint", fixture("micro_vit_trained.pth"),
                    "--device", "cpu", "model.num_heads=3",
                ] + (given.contains("--out") ? [] : ["--out", "x.json"])
            case "convert": [boxes, "x"]
            case "semantic": [boxes, "--out", "x"]
            case "report": [boxes, "--images", images, "--out", "x"]
            case "validate": [boxes]
            case "adapt": ["--images", images, "--boxes", boxes, "--out", "x.safetensors"]
            default: [String]()
            }
        let result = try mal([given[0]] + rest + given.dropFirst(), in: folder)
        #expect(result.code == 64, "\(result.errors)")
        #expect(result.errors.contains("Error: \(message)"), "\(result.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }

    @Test("What a file holds ends with 1, as does a value that a spec file sets")
    func wrongFile() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for line in ["inference: {precision: bst}", "dataset: {crop_size: 225}"] {
            let spec = """
                device: cpu
                model: {num_heads: 3}
                \(line)
                """
            try spec.write(toFile: folder + "/spec.yaml", atomically: true, encoding: .utf8)
            let result = try mal(
                "inference", "-e", "spec.yaml", "-r", "out",
                "inference.ann_path=\(fixture("coco/instances.json"))",
                "inference.img_dir=\(fixture("coco/images"))",
                "inference.checkpoint=\(fixture("micro_vit_trained.pth"))", in: folder)
            #expect(result.code == 1, "\(result.errors)")
            #expect(result.errors.contains("225") || result.errors.contains("bst"))
        }
    }

    @Test("A wrong command that mal launch starts is wrong usage too, and is not repeated")
    func wrongLaunch() throws {
        let result = try mal(
            "launch", "--processes", "2", "--max-restarts", "3", "--", "label", "photos", "--boxes",
            "boxes.json", "--out", "masks.json", "--precision", "bst")
        #expect(result.code == 64)
        #expect(!result.errors.contains("starting over"))
    }
}
