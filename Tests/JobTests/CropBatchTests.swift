import Annotations
import Imaging
import Inference
import MaskModel
import Testing
import TestSupport
import Torch

@Suite("Crops on their way to the network")
struct CropBatchTests {
    let file: AnnotationFile
    let plan: BoxPlan

    init() throws {
        file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        plan = BoxPlan(
            file: file, imagesDirectory: fixture("coco/images"), selection: .tao(.validation),
            decoding: DecodeOptions(), onEvent: { _ in })
    }

    func batches(size: Int, skipping: Set<Int> = []) async -> [CropBatch] {
        var loader = CropBatchLoader(
            plan: plan,
            settings: CropSettings(
                cropSize: 64, marginRate: 0.6, batchSize: size, decoding: DecodeOptions()),
            skipping: skipping)
        var all: [CropBatch] = []
        while let batch = await loader.next() { all.append(batch) }
        return all
    }

    @Test("crops, box masks and logits are the reference's (eval_network_io_c64)")
    func matchesReference() async throws {
        let checkpoint = try MaskCheckpoint(path: fixture("micro_vit_trained.pth"))
        let network = try checkpoint.network(
            .student,
            MaskNetworkConfiguration(
                backbone: try checkpoint.info.backboneConfiguration(headCount: 3),
                maskHead: try #require(checkpoint.info.maskHeadConfiguration)),
            architecture: "micro")
        let reference = try tensorFixture("eval_network_io_c64.safetensors")
        var seen = 0
        for batch in await batches(size: 3) {
            let images = normalized(Tensor(bytes: batch.pixels, [batch.items.count, 64, 64, 3]))
            let logits = withoutGradients {
                network(image: images, areas: batch.items.map(\.planned.area))
            }
            for (row, item) in batch.items.enumerated() {
                let id = file.annotations[item.planned.annotation].id
                expectClose(
                    images.selecting(0, row), reference["\(id).image"], tolerance: 1e-6, "\(id)")
                let mask = Array(batch.boxMasks[row * 4096..<(row + 1) * 4096])
                expectClose(
                    Tensor(bytes: mask, [1, 64, 64]).to(.float32), reference["\(id).boxmask"],
                    tolerance: 0, "\(id)")
                expectClose(
                    logits.selecting(0, row), reference["\(id).seg"], tolerance: 1e-4, "\(id)")
                seen += 1
            }
        }
        #expect(seen == 13)
    }

    @Test("a resumed run sees the batches of an undisturbed one")
    func skips() async {
        let all = await batches(size: 2)
        let rest = await batches(size: 2, skipping: [0, 2, 3])
        #expect(all.map(\.index) == Array(0..<7))
        #expect(rest.map(\.index) == [1, 4, 5, 6])
        for batch in rest {
            #expect(batch.pixels == all[batch.index].pixels)
            #expect(
                batch.items.map(\.planned.annotation)
                    == all[batch.index].items.map(\.planned.annotation))
        }
    }

    @Test("boxes are grouped by image, each once")
    func order() {
        let images = plan.boxes.map(\.image)
        #expect(images == images.sorted())
        #expect(Set(plan.boxes.map(\.annotation)).count == 13)
    }
}
