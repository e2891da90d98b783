import Foundation
import Synchronization
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

    @Test("a thread that has computed before takes a new thread count")
    func threadCount() {
        let before = Libtorch.threadCount
        defer { Libtorch.threadCount = before }
        let (hasComputed, isChanged) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let isDone = DispatchSemaphore(value: 0)
        let count = Counted()
        Thread.detachNewThread {
            _ = Tensor.ones([300, 300]).sum().item()
            hasComputed.signal()
            isChanged.wait()
            count.value.store(Libtorch.threadCount, ordering: .relaxed)
            isDone.signal()
        }
        hasComputed.wait()
        Libtorch.threadCount = before + 1
        isChanged.signal()
        isDone.wait()
        #expect(count.value.load(ordering: .relaxed) == before + 1)
    }

    private final class Counted: Sendable {
        let value = Atomic<Int>(0)
    }
}
