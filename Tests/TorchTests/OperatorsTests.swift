import Testing
import Torch

@Suite struct OperatorsTests {
    @Test("every declared operator exists in this libtorch")
    func resolved() {
        #expect(unresolvedOperators() == [])
    }

    @Test("the library passes its self-test and says its version")
    func start() throws {
        try Libtorch.start()
        #expect(Libtorch.version.split(separator: ".").count == 3)
    }

    @Test("a failing operator ends the process")
    func trap() async {
        await #expect(processExitsWith: .failure) {
            _ = Tensor.ones([2, 3]).matmul(.ones([2, 3]))
        }
    }
}
