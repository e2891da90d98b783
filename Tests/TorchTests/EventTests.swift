import TestSupport
import Testing
import Torch

@Suite struct EventTests {
    static let devices: [Device] = Device.cudaIsAvailable ? [.cpu, .cuda(0)] : [.cpu]

    @Test("a readback has the tensor's numbers", arguments: devices)
    func readback(device: Device) {
        let tensor = Tensor([1, 2, .infinity], [3], device: device)
        let readback = Readback(tensor.add(1))
        let later = Tensor.zeros([3], device: device)
        #expect(readback.doubles() == [2, 3, .infinity])
        #expect(readback.floats() == [2, 3, .infinity])
        #expect(Readback(later).floats() == [0, 0, 0])
    }

    @Test("time passes between events", arguments: devices)
    func events(device: Device) {
        let start = Event(on: device)
        let product = Tensor.ones([300, 300], device: device).matmul(
            .ones([300, 300], device: device))
        let end = Event(on: device)
        end.wait()
        #expect(end.seconds(since: start) > 0)
        #expect(product.sum().item() == 300 * 300 * 300)
    }

    @Test("attention runs in libtorch's flash kernel", arguments: devices)
    func attention(device: Device) {
        // Views as the network's: heads lie between the tokens.
        let parts = Tensor.ones([2, 65, 3, 4, 64], device: device)
            .to(device == .cpu ? .float32 : .bfloat16).permuted(2, 0, 3, 1, 4)
        let (q, k, v) = (parts.selecting(0, 0), parts.selecting(0, 1), parts.selecting(0, 2))
        #expect(attentionKernel(q, k, v) != .math)
    }

    @Test("a kernel says why it cannot be", .enabled(if: !Device.cudaIsAvailable))
    func kernel() {
        let error = #expect(throws: TorchError.self) {
            try DeviceKernel(
                source: "", name: "k", options: [], sharedByteCount: 0, device: .cuda(0))
        }
        guard case .unavailableKernel("k", let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(!reason.isEmpty)
    }

    @Test("a kernel runs behind the operators before it", .enabled(if: Device.cudaIsAvailable))
    func launch() throws {
        let source = """
            extern "C" __global__ void twice(float *x, float factor, int count) {
                const int i = blockIdx.x * blockDim.x + threadIdx.x;
                if (i < count) x[i] *= factor;
            }
            """
        let kernel = try DeviceKernel(
            source: source, name: "twice", options: [], sharedByteCount: 0, device: .cuda(0))
        let x = Tensor.ones([1000], device: .cuda(0))
        x.add(2)
        kernel.launch(blocks: 4, threads: 256, [.tensor(x), .float(2), .int(999)])
        #expect(x.floats() == [Float](repeating: 6, count: 999) + [3])
        let error = #expect(throws: TorchError.self) {
            try DeviceKernel(
                source: "nonsense", name: "k", options: [], sharedByteCount: 0, device: .cuda(0))
        }
        #expect("\(try #require(error))".contains("NVRTC"))
    }
}
