import Foundation
import TestSupport
import Testing
import Training

@Suite("What a program sets before libtorch starts")
struct ProgramEnvironmentTests {
    @Test(
        "GPU memory may grow in place where libtorch has CUDA and nobody said otherwise",
        arguments: [
            (true, nil, "expandable_segments:True"), (false, nil, nil),
            (true, "PYTORCH_CUDA_ALLOC_CONF", nil), (true, "PYTORCH_ALLOC_CONF", "backend:native"),
        ] as [(Bool, String?, String?)])
    func allocator(hasCUDA: Bool, given: String?, wanted: String?) throws {
        let folder = try TemporaryFolder()
        let torch =
            ProcessInfo.processInfo.environment["TORCH_DIR"] ?? fixture("../../.deps/torch")
        let own = torch + "/lib"
        for name in try FileManager.default.contentsOfDirectory(atPath: own)
        where !name.contains("cuda") {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/" + name, withDestinationPath: own + "/" + name)
        }
        // Never loaded: the run asks for the CPU.
        if hasCUDA { _ = try folder.file("libtorch_cuda.so", "") }
        var environment = ["LD_LIBRARY_PATH": folder.path]
        if let given { environment[given] = "backend:native" }
        let run = try MalRun.start(
            [
                "label", fixture("coco/images"), "--boxes", fixture("coco/instances.json"), "--out",
                folder.path + "/out.json", "--checkpoint", fixture("micro_vit_trained.pth"),
                "--crop-size", "64", "--batch-size", "1", "--device", "cpu", "model.num_heads=3",
            ], environment: environment)
        var found: [String: String] = [:]
        // It starts over once, and the system tells what it started with.
        try run.wait(until: "the new start") {
            found = run.environment
            return found["OMP_WAIT_POLICY"] != nil
        }
        #expect(found["PYTORCH_ALLOC_CONF"] == wanted)
        let outcome = run.finish()
        #expect(outcome.code == 0, "\(outcome.errors)")
    }
}
