import Testing
import Torch

@Suite struct DeviceTests {
    @Test("names are auto, cpu, cuda and cuda:N")
    func names() throws {
        #expect(try Device(named: "cpu") == .cpu)
        #expect(try Device(named: "auto") == .automatic)
        for name in ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:1x", "cuda:99999999999999999999"]
        {
            #expect(throws: TorchError.invalidDeviceName(name)) { try Device(named: name) }
        }
        #expect(Device.cuda(3).description == "cuda:3")
    }

    @Test("a device that is not there is named with the reason")
    func absent() throws {
        let name = "cuda:\(Device.cudaCount)"
        let error = #expect(throws: TorchError.self) { try Device(named: name) }
        guard case .unavailableDevice(name, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(!reason.isEmpty)
        #expect(Device.cudaIsAvailable == Device.cudaProblem.isEmpty)
    }

    @Test("a tensor goes to the device and back", .enabled(if: Device.cudaIsAvailable))
    func cuda() {
        let x = Tensor([1, 2], [2], device: .cuda(0))
        #expect(x.device == .cuda(0))
        #expect((x + x).floats() == [2, 4])
    }

    @Test(
        "tasks have each their own count of threads, also on threads that others used before"
    )
    func threadCount() async {
        let standard = Libtorch.threadCount
        // Their sum depends on the parts that they are cut in.
        var generator = Generator(seed: 1)
        let numbers = (0..<500_000).map { _ in Float.random(in: 0...1, using: &generator) }
        @Sendable func sum() -> Float { Tensor(numbers, [numbers.count]).sum().floats()[0] }
        let alone = [1, 2, 3].map { count in Libtorch.withThreads(count) { sum() } }
        #expect(Set(alone).count > 1)
        await withTaskGroup(of: Void.self) { group in
            for turn in 0..<12 {
                group.addTask {
                    let count = turn % 3 + 1
                    await Libtorch.withThreads(count) {
                        for _ in 0..<5 {
                            await Task.yield()
                            #expect(Libtorch.threadCount == count)
                            #expect(sum() == alone[count - 1])
                        }
                    }
                    #expect(Libtorch.threadCount == standard)
                }
            }
        }
        #expect(Libtorch.withThreads(nil) { Libtorch.threadCount } == standard)
    }
}
