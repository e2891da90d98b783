import Foundation
import TestSupport
import Testing

/// The executable as a user meets it: texts, exit codes, what goes to which stream.
@Suite("Command line")
struct CommandLineTests {
    struct Outcome {
        let code: Int32
        let output: String
        let errors: String
    }

    /// Runs `mal`, which is built beside the tests.
    func mal(_ arguments: String..., in folder: String? = nil) throws -> Outcome {
        try mal(arguments, in: folder)
    }

    func mal(_ arguments: [String], in folder: String? = nil) throws -> Outcome {
        let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let process = Process()
        process.executableURL = tests.deletingLastPathComponent().appendingPathComponent("mal")
        process.arguments = arguments
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Both streams of these commands fit a pipe's buffer, so reading after each other is safe.
        let outputText = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let errorText = String(
            decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Outcome(code: process.terminationStatus, output: outputText, errors: errorText)
    }

    func temporaryFolder() throws -> String {
        let path = NSTemporaryDirectory() + "mal-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    @Test("--help lists the commands and teaches by example")
    func help() throws {
        let result = try mal("--help")
        #expect(result.code == 0)
        #expect(result.errors.isEmpty)
        for command in [
            "label", "train", "evaluate", "inference", "launch", "merge", "convert",
            "semantic", "report", "review", "serve", "validate", "checkpoint", "export", "spec",
            "adapt", "prune",
        ] {
            #expect(result.output.contains("\n  \(command) "), "\(command)")
        }
        #expect(result.output.contains("mal label photos --boxes boxes.json --out masks.json"))
    }

    @Test("Wrong usage ends with 64 and says what is missing")
    func usage() throws {
        let result = try mal("label", "photos")
        #expect(result.code == 64)
        #expect(result.output.isEmpty)
        #expect(result.errors.hasPrefix("Error: Missing expected argument '--boxes <boxes>'"))
    }

    @Test("--resume and --fresh exclude each other")
    func exclusive() throws {
        let result = try mal(
            "label", "p", "--boxes", "b", "--out", "o", "--resume", "--fresh")
        #expect(result.code == 64)
        #expect(result.errors.hasPrefix("Error: --resume and --fresh exclude each other"))
    }

    @Test("A missing folder, file and an unknown key are named; nothing is written")
    func wrongInputs() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let noFolder = try mal(
            "label", "photos", "--boxes", "boxes.json", "--out", "masks.json", in: folder)
        #expect(noFolder.code == 1)
        #expect(noFolder.errors == "Error: IMAGES: the folder photos does not exist\n")
        let noFile = try mal(
            "label", ".", "--boxes", "boxes.json", "--out", "masks.json", in: folder)
        #expect(noFile.code == 1)
        #expect(noFile.errors == "Error: boxes.json: no such file or directory\n")
        let noKey = try mal(
            "label", ".", "--boxes", "boxes.json", "--out", "masks.json", "dataset.cropsize=7",
            in: folder)
        #expect(noKey.code == 64)
        #expect(
            noKey.errors
                == "Error: override dataset.cropsize=7: unknown key dataset.cropsize: did you mean "
                + "dataset.crop_size?\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }

    @Test("label, validate and checkpoint info work from any folder")
    func labels() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let result = try mal(
            "label", fixture("coco/images"), "--boxes", fixture("coco/instances.json"), "--out",
            "out/masks.json",
            "--checkpoint", fixture("micro_vit_trained.pth"), "--crop-size", "64", "--device",
            "cpu",
            "--overlays", "look", "model.num_heads=3", in: folder)
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.hasPrefix("out/masks.json: 18 of 18 boxes have a mask ("))
        #expect(result.output.contains("\n4 overlays drawn\n"))
        let drawn = try FileManager.default.contentsOfDirectory(atPath: folder + "/look")
        #expect(drawn.count { !$0.hasPrefix(".") } == 4)
        let again = try mal(
            "validate", "out/masks.json", "--images", fixture("coco/images"), in: folder)
        #expect(
            again.output.hasSuffix(
                "4 images, 18 annotations, 4 categories, 4 images readable; 4 problems\n"))
        #expect(again.output.contains("annotation 5000: bbox: expected a box inside its"))
        let info = try mal("checkpoint", "info", fixture("micro_vit_trained.pth"))
        #expect(info.code == 0)
        #expect(
            info.output.contains(
                "what: Mask Auto-Labeler (TAO 6.25 or later, or this program), student and teacher")
        )
    }

    @Test("validate takes any format, tells it by content and lets it be forced")
    func formats() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "image,x,y,w,h,label\na.png,1,2,3,4,cat\n".write(
            toFile: folder + "/boxes.csv", atomically: true, encoding: .utf8)
        let good = try mal("validate", "boxes.csv", "--images", fixture("coco/images"), in: folder)
        #expect(good.code == 0, "\(good.errors)")
        #expect(
            good.output
                == "boxes.csv (csv): 1 images, 1 annotations, 1 categories, 1 images readable; "
                + "no problems\n")
        let forced = try mal("validate", "boxes.csv", "--format", "voc", in: folder)
        #expect(forced.code == 1)
        #expect(
            forced.errors
                == "Error: boxes.csv line 1: expected well-formed XML, found a document that ends too "
                + "early or goes on after its end\n")
        let unknown = try mal("validate", "boxes.csv", "--format", "jpg", in: folder)
        #expect(unknown.code == 64)
        #expect(unknown.errors.hasPrefix("Error: --format jpg: expected one of coco, coco-rle, "))
    }

    @Test("A network that needs its head count asks for it by name")
    func asksForHeads() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let result = try mal(
            "label", fixture("coco/images"), "--boxes", fixture("coco/instances.json"), "--out",
            "masks.json",
            "--checkpoint", fixture("micro_vit_trained.pth"), "--crop-size", "64", in: folder)
        #expect(result.code == 1)
        #expect(result.errors.contains("set model.num_heads"))
    }

    @Test("evaluate --predictions prints a table, or JSON for a pipe")
    func evaluatesPredictions() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let files = [
            "evaluate", "--predictions", fixture("box_inputs_dets.json"), "--truth",
            fixture("coco/instances.json"),
        ]
        let table = try mal(files + ["--json", "numbers.json"], in: folder)
        #expect(table.code == 0, "\(table.errors)")
        #expect(table.output.hasPrefix("          bbox      segm      boundary\nAP        "))
        #expect(table.output.contains("\n26 predictions, 18 true objects, 4 images; "))
        let piped = try mal(files + ["--json", "-", "-q"])
        #expect(piped.errors.contains("\nwarning: no mIoU: none of the 26 ids in "))
        #expect(
            piped.output
                == (try String(contentsOfFile: folder + "/numbers.json", encoding: .utf8)))
        #expect(piped.output.contains("    \"ARmax100_segm\": 0."))

        for (arguments, message) in [
            (["evaluate"], "give a spec (-e SPEC), or --predictions with --truth"),
            (["evaluate", "--truth", "t.json"], "--predictions and --truth need each other"),
            (["evaluate", "--json", "-"], "--json goes with --predictions"),
            (
                files + ["--device", "cpu"],
                "--device is for a run of the network, --predictions for none"
            ),
            (
                files + ["model.num_heads=3"],
                "model.num_heads=3 is for a run of the network, --predictions for none"
            ),
        ] {
            let wrong = try mal(arguments)
            #expect(wrong.code == 64)
            #expect(wrong.errors.hasPrefix("Error: \(message)\n"), "\(wrong.errors)")
        }
        let missing = try mal(
            ["evaluate", "--predictions", "none.json", "--truth", fixture("coco/instances.json")],
            in: folder)
        #expect(missing.code == 1)
        #expect(missing.errors.hasSuffix("Error: none.json: no such file or directory\n"))
    }

    @Test("A printed spec is a spec")
    func spec() throws {
        for command in ["train", "evaluate", "inference"] {
            let result = try mal("spec", command)
            #expect(result.code == 0)
            #expect(result.output.contains("dataset:\n"))
        }
    }

    @Test("export writes ONNX, which labels as the model it came from; what can't be is named")
    func exports() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let model = fixture("micro_vit_trained.pth")
        let arguments = ["--checkpoint", model, "--crop-size", "64", "model.num_heads=3"]
        let result = try mal(["export", "m.onnx"] + arguments, in: folder)
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.hasPrefix("m.onnx: student, opset 17, fp32, "))
        #expect(result.output.hasSuffix("-> logits (N, 1, 16, 16) float\n"))
        func label(_ checkpoint: String, _ out: String, _ more: [String]) throws -> Data {
            let result = try mal(
                [
                    "label", fixture("coco/images"), "--boxes", fixture("coco/instances.json"),
                    "--out", out, "--checkpoint", checkpoint, "--device", "cpu", "-q",
                ] + more, in: folder)
            #expect(result.code == 0, "\(result.errors)")
            return try Data(contentsOf: URL(fileURLWithPath: folder + "/" + out))
        }
        // Crop size and heads are in the file.
        let masks = try label("m.onnx", "a.json", [])
        #expect(
            try masks == label(model, "b.json", ["--crop-size", "64", "model.num_heads=3"]))

        for (given, code, message) in [
            (["m.onnx"] + arguments, 1, "the output m.onnx is there; --overwrite replaces it"),
            (["m.pb"] + arguments, 64, "m.pb must end in .onnx"),
            (["n.onnx", "--opset", "16"] + arguments, 64, "--opset must be 17 to 22, is 16"),
            (
                ["/proc/n/n.onnx"] + arguments, 1,
                "/proc/n/n.onnx can't be written: "
            ),
            (
                ["n.onnx", "--checkpoint", model, "--crop-size", "50", "model.num_heads=3"], 64,
                "--crop-size: must be a multiple of 16, is 50"
            ),
            (["n.onnx", "--checkpoint", model, "--teacher"], 1, "set model.num_heads"),
            (["n.onnx", "--checkpoint", "none.pth"], 1, "none.pth: cannot be opened"),
            (
                ["n.onnx", "--checkpoint", fixture("mae_like_micro.pth"), "model.num_heads=3"], 1,
                "labelling needs a backbone and heads; this file has no heads"
            ),
        ] as [([String], Int32, String)] {
            let wrong = try mal(["export"] + given, in: folder)
            #expect(wrong.code == code, "\(given)")
            #expect(wrong.errors.contains(message), "\(wrong.errors)")
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder).filter {
                $0.hasSuffix(".onnx")
            } == ["m.onnx"])
    }
}
