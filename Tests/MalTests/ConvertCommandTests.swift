import Foundation
import TestSupport
import Testing

extension CommandLineTests {
    @Test("convert --help names every format")
    func convertHelp() throws {
        let result = try mal("help", "convert")
        #expect(result.code == 0)
        for format in [
            "coco", "coco-rle", "coco-polygons", "lvis", "ytvis", "detections", "csv", "yolo-seg",
            "yolo", "labelme", "voc-png", "mots-png", "mots-txt", "png", "semantic",
        ] {
            #expect(result.output.contains("\n  \(format) "), "\(format)")
        }
    }

    @Test("convert says what it wrote, what was lost, and keeps what is there")
    func convert() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let source = fixture("coco/instances.json")
        let first = try mal("convert", source, "p.json", "--to", "coco-polygons", in: folder)
        #expect(first.code == 0, "\(first.errors)")
        #expect(
            first.output.hasPrefix("p.json: 18 of 18 annotations of 4 images as coco-polygons ("))
        #expect(first.output.contains("IoU with the masks 1.000000 mean, 1.000000 worst\n"))
        let printed = try mal("convert", source, "-", "--to", "coco-polygons", in: folder)
        #expect(printed.code == 0 && printed.output.hasPrefix("{"), "\(printed.errors)")
        let pages = try mal("convert", source, "-", "--to", "voc", in: folder)
        #expect(
            pages.errors == "Error: - can't be written: voc is a folder, which no pipe can take\n")
        #expect(!FileManager.default.fileExists(atPath: folder + "/-"))
        let second = try mal("convert", source, "p.json", "--to", "coco-polygons", in: folder)
        #expect(second.code == 1)
        #expect(
            second.errors
                == "Error: p.json can't be written: the file is there; --overwrite replaces it\n")
        let boxes = try mal("convert", source, "boxes.csv", in: folder)
        #expect(boxes.code == 0)
        #expect(
            boxes.errors.contains("warning: 18 masks left out: the format has boxes only\n"),
            "\(boxes.errors)")
        let unknown = try mal("convert", source, "x", "--to", "tiff", in: folder)
        #expect(unknown.code == 64)
        #expect(unknown.errors.hasPrefix("Error: --to tiff: expected one of coco, coco-rle, "))
        #expect(!unknown.errors.contains("open-images"))
        let unnamed = try mal("convert", source, "x", in: folder)
        #expect(unnamed.errors.hasPrefix("Error: x: --to is needed, one of coco, "))
        let bad = try mal(
            "convert", source, "x", "--to", "labelme", "--tolerance", "5000", in: folder)
        #expect(bad.errors == "Error: --tolerance must be 0 to 1000 pixels, is 5000.0\n")
    }

    @Test("what convert writes in formats of masks, convert and evaluate read")
    func convertBack() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let source = fixture("coco/instances.json")
        // Four masks are covered by others wholly.
        for (format, count) in [
            ("voc-png", 14), ("mots-png", 14), ("mots-txt", 14), ("png", 18), ("labelme", 18),
        ] {
            let there = try mal("convert", source, format, "--to", format, in: folder)
            #expect(there.code == 0, "\(there.errors)")
            let back = try mal("convert", format, format + ".json", in: folder)
            #expect(
                back.output.hasPrefix(
                    "\(format).json: \(count) of \(count) annotations of 4 images as coco ("),
                "\(back.output)\(back.errors)")
        }
        let same = try mal(
            "evaluate", "--predictions", "voc-png.json", "--truth", "voc-png", in: folder)
        #expect(same.code == 0, "\(same.errors)")
        #expect(same.output.contains("14 predictions, 14 true objects, 4 images"))
    }

    @Test("semantic draws an image an image and a legend")
    func semantic() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let result = try mal(
            "semantic", fixture("coco/instances.json"), "--out", "maps/labels", "--void-border",
            "2", in: folder)
        #expect(result.code == 0, "\(result.errors)")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/maps/labels")
        #expect(names.count { $0.hasSuffix(".png") } == 4)
        #expect(names.contains("categories.csv"))
    }

    @Test("label writes other formats beside its own file, or without it named")
    func labelTargets() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func label(_ outputs: String...) throws -> Outcome {
            let arguments =
                [
                    "label", fixture("coco/images"), "--boxes", fixture("coco/instances.json"),
                    "--checkpoint", fixture("micro_vit_trained.pth"), "--crop-size", "64",
                    "--device", "cpu", "model.num_heads=3",
                ] + outputs.flatMap { ["--out", $0] }
            return try mal(arguments, in: folder)
        }
        let result = try label("masks.json", "yolo-seg:data", "coco-polygons:polygons.json")
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.hasPrefix("masks.json: 18 of 18 boxes have a mask ("))
        #expect(result.output.contains("\ndata: "))
        #expect(result.output.contains("\npolygons.json: 18 of 18 annotations of 4 images as "))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder + "/data/labels").count == 4)
        // What is there already is found out before the network runs.
        let again = try label("masks.json", "yolo-seg:data")
        #expect(again.code == 1)
        #expect(again.errors.contains("data can't be written: the folder is there; --overwrite"))
        let alone = try label("labelme:shapes/")
        #expect(alone.code == 0, "\(alone.errors)")
        #expect(alone.output.hasPrefix("shapes.masks.json: 18 of 18 boxes have a mask ("))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder + "/shapes").count == 5)
        let twice = try label("a.json", "csv:a.json")
        #expect(twice.errors == "Error: --out: two outputs have the same path\n")
        #expect(
            try label("semantic:").errors == "Error: --out semantic: has no path after the colon\n")
    }
}
