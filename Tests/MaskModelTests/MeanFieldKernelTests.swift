import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct MeanFieldKernelTests {
    /// Maps, their window, and the blocks and threads that share them.
    static let layouts = [
        MeanFieldKernel.Layout(
            height: 16, width: 16, kernelSize: 3, blockCount: 1, threadCount: 64),
        .init(height: 33, width: 47, kernelSize: 3, blockCount: 8, threadCount: 32),
        .init(height: 17, width: 5, kernelSize: 3, blockCount: 4, threadCount: 7),
        .init(height: 20, width: 31, kernelSize: 5, blockCount: 2, threadCount: 100),
        .init(height: 24, width: 9, kernelSize: 7, blockCount: 8, threadCount: 1024),
        .init(height: 1, width: 1, kernelSize: 3, blockCount: 1, threadCount: 1024),
    ]

    private func random(_ shape: [Int], _ generator: inout Generator) -> Tensor {
        Tensor(
            (0..<shape.reduce(1, *)).map { _ in Float.random(in: 0...1, using: &generator) }, shape)
    }

    @Test("the kernel's code computes what libtorch's operators do", arguments: layouts)
    func code(layout: MeanFieldKernel.Layout) {
        var generator = Generator(seed: UInt64(layout.height))
        let shape = [2, layout.height, layout.width]
        let image = random([2, 3, layout.height, layout.width], &generator) * 0.3
        let probabilities = random(shape, &generator)
        let box = Tensor.zeros(shape)
        box.narrowed(1, layout.height / 4..<layout.height)
            .narrowed(2, layout.width / 3..<layout.width).add(0.7)
        for mask in [box, nil] {
            for count in [0, 1, 2, 20] {
                let field = MeanField(
                    kernelSize: layout.kernelSize, zeta: 0.2, iterationCount: count)
                let made = MeanFieldKernel.emulate(
                    field, layout, image: image, probabilities: probabilities, mask: mask)
                let expected = field.refineByTensors(
                    image: image, probabilities: probabilities, mask: mask)
                expectClose(made, expected, tolerance: 1e-4, "\(count) updates")
            }
        }
    }

    @Test(
        "the kernel's code gives the reference's masks",
        arguments: [("meanfield_k3_z0.1", 3, 0.1), ("meanfield_k5_z0.1", 5, 0.1)])
    func fixtures(name: String, kernelSize: Int, zeta: Double) throws {
        let file = try tensorFixture(name + ".safetensors")
        let image = try #require(file["image"])
        let expected = try #require(file["prob_100"])
        let layout = MeanFieldKernel.Layout(
            height: image.size(2), width: image.size(3), kernelSize: kernelSize, blockCount: 4,
            threadCount: 128)
        let made = MeanFieldKernel.emulate(
            MeanField(kernelSize: kernelSize, zeta: zeta), layout, image: image,
            probabilities: try #require(file["seg"]), mask: file["mask"]
        ).floats()
        for (made, expected) in zip(made, expected.floats()) where abs(expected - 0.5) >= 1e-3 {
            #expect(abs(made - expected) <= 1e-4)
        }
    }

    @Test("blocks have direct neighbours only, and their maps fit")
    func layout() throws {
        func made(_ height: Int, _ kernelSize: Int, _ capability: Int, _ bytes: Int)
            -> MeanFieldKernel.Layout?
        {
            .init(
                height: height, width: 128, kernelSize: kernelSize, computeCapability: capability,
                sharedByteCount: bytes)
        }
        let hopper = try #require(made(128, 3, 90, 232_448))
        #expect(hopper.blockCount == 8 && hopper.sharedByteCount == 8 * 18 * 130)
        #expect(made(128, 63, 90, 232_448)?.blockCount == 4)
        #expect(made(4, 3, 90, 232_448)?.blockCount == 4)
        #expect(made(1, 3, 90, 232_448)?.blockCount == 1)
        #expect(made(128, 3, 80, 166_912)?.sharedByteCount == 8 * 130 * 130)
        #expect(made(128, 3, 75, 65_536) == nil)
    }

    @Test("without a GPU there is no kernel, and the reason is told")
    func absent() {
        #expect(
            throws: TorchError.unavailableKernel(
                "mean field", reason: "the device is cpu, not a GPU")
        ) { try MeanFieldKernel(MeanField(), height: 8, width: 8, device: .cpu) }
    }

    @Test(
        "on a GPU the kernel computes what libtorch's operators do",
        .enabled(if: Device.cudaIsAvailable),
        arguments: [(128, 128, 3, 4), (64, 130, 3, 1), (56, 56, 5, 3)])
    func onGPU(height: Int, width: Int, kernelSize: Int, batch: Int) throws {
        var generator = Generator(seed: 7)
        let device = Device.cuda(0)
        let image = (random([batch, 3, height, width], &generator) * 0.3).to(device)
        let probabilities = random([batch, height, width], &generator).to(device)
        let mask = Tensor.zeros([batch, height, width], device: device)
        mask.narrowed(1, 5..<height - 9).narrowed(2, 3..<width - 20).add(1)
        for count in [1, 10, 100] {
            let field = MeanField(kernelSize: kernelSize, iterationCount: count)
            let kernel = try MeanFieldKernel(field, height: height, width: width, device: device)
            let made = kernel.refine(image: image, probabilities: probabilities, mask: mask)
            let again = kernel.refine(image: image, probabilities: probabilities, mask: mask)
            #expect(made.floats() == again.floats(), "a race")
            let expected = field.refineByTensors(
                image: image, probabilities: probabilities, mask: mask)
            let near = (expected - 0.5).abs().floats()
            let off = (made - expected).abs().floats()
            #expect(zip(near, off).allSatisfy { $0 < 1e-3 || $1 <= 1e-4 }, "\(count) updates")
        }
    }
}
