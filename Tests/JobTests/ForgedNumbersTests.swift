import Distributed
import Files
import Foundation
import Imaging
import Inference
import Synchronization
import Testing
import TestSupport
import Torch
import Training

/// Numbers that no run of ours writes: in a checkpoint's state, from another process, out of a lost network.
@Suite("Forged numbers")
struct ForgedNumbersTests {
    @Test(
        "A number in state.json that cannot be is refused by its name, under a checksum that is right",
        arguments: [
            ("step", "-1"), ("step", "1125899906842624"), ("stepInEpoch", "-9223372036854775808"),
            ("sampleCount", "9223372036854775807"), ("validatedStep", "-2"), ("lossCount", "-1"),
            ("epoch", "1000001"), ("epoch", "-1"), ("goodStepCount", "-7"), ("lossScale", "-1"),
            ("lossScale", "0"), ("samplesInEpoch", "-3"), ("step", "9223372036854775808"),
            ("epoch", "18446744073709551616"), ("seed", "-1"), ("step", "1e300"), ("step", "1.5"),
            ("step", "\"3\""), ("broken", "[-1]"), ("broken", "[9223372036854775807]"),
            ("best", "{\"metric\": \"m\", \"step\": -1, \"value\": 0}"),
        ])
    func state(_ key: String, _ value: String) throws {
        let folder = try TemporaryFolder()
        var state = TrainingState()
        state.samplesInEpoch = 0
        state.best = try JSONDecoder().decode(
            TrainingState.Best.self, from: Data(#"{"step": 0, "metric": "m", "value": 0}"#.utf8))
        state.environment = [:]
        let whole = String(decoding: try state.json(), as: UTF8.self)
        let path = try folder.file("state.json", whole)
        #expect(try TrainingCheckpoint.state(of: folder.path).step == 0)
        let place = try Regex("\"\(key)\" : (\\{[^}]*\\}|\\[[^\\]]*\\]|[^,\\n]*)")
        let forged = whole.replacing(place, with: "\"\(key)\" : \(value)")
        #expect(forged != whole)
        try Self.signed(forged).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: (any Error).self) {
            try TrainingCheckpoint.state(of: folder.path)
        }
        let text = "\(try #require(error))"
        // The decoder does not say where a number is that 64 bits do not hold.
        let isNamed = text.hasPrefix("\(path): \(key)") && text.hasSuffix(" cannot be")
        #expect(isNamed || text == "\(path): it does not decode", "\(text)")
    }

    /// `text` with the checksum that is right for it.
    static func signed(_ text: String) throws -> Data {
        let place = try Regex("\"checksum\" : \"[0-9a-f]{16}\"")
        let blank = text.replacing(place, with: "\"checksum\" : \"0000000000000000\"")
        let hash = ContentHash.text(ContentHash.hash(Array(blank.utf8)))
        return Data(blank.replacing(place, with: "\"checksum\" : \"\(hash)\"").utf8)
    }

    @Test("Maps that are not numbers have no colour, and others are kept within theirs")
    func pictures() {
        let side = 4
        func map(_ value: Float) -> Tensor {
            Tensor([Float](repeating: value, count: side * side), [1, side, side])
        }
        func image(_ value: Float) -> Tensor {
            Tensor([Float](repeating: value, count: 3 * side * side), [1, 3, side, side])
        }
        for value in [Float.nan, .infinity, -.infinity, 1e30, -1e30] {
            let tensors = TrainingTensors(
                image: image(value), teacherImage: image(value),
                mask: Tensor.zeros([1, 1, side, side]), areas: [16])
            let maps = StepMaps(student: map(value), teacher: map(-value), target: map(.nan))
            let grid = pictureGrid(tensors, maps: maps)
            #expect(grid.size.height == side && grid.size.width == 4 * side + 12)
            #expect(grid.pixels[0] == (value > 0 ? 255 : 0))
        }
    }

    /// Two ranks of one run; what the first one's `body` ends with.
    func error(
        _ body: @escaping @Sendable (Ranks) throws -> Void,
        peer: @escaping @Sendable (Ranks) throws -> Void
    ) throws -> String {
        let port = try LaunchPlan(processCount: 2, environment: [:]).port()
        let found = Errors()
        let (done, end) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        for (rank, work) in [body, peer].enumerated() {
            Thread.detachNewThread {
                var ranks: Ranks?
                do {
                    let environment = try RankEnvironment([
                        "RANK": "\(rank)", "LOCAL_RANK": "\(rank)", "WORLD_SIZE": "2",
                        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)",
                    ])
                    ranks = try Ranks(try #require(environment), timeout: .seconds(30))
                    try ranks.map(work)
                } catch {
                    found.texts.withLock { $0[rank] = "\(error)" }
                }
                done.signal()
                // Neither goes before the other has its answer.
                end.wait()
                ranks = nil
            }
        }
        for _ in 0..<2 { done.wait() }
        for _ in 0..<2 { end.signal() }
        let texts = found.texts.withLock { $0 }
        #expect(texts[1] == nil)
        return try #require(texts[0])
    }

    final class Errors: Sendable {
        let texts = Mutex<[Int: String]>([:])
    }

    @Test("Counts of boxes from another process are bounded", arguments: [.nan, 1e300, -5, 0.5])
    func counts(_ forged: Double) throws {
        let text = try error(
            { _ = try $0.sums(3, 0) }, peer: { _ = try $0.sums([forged, 0]) })
        #expect(text.hasPrefix("rank 0 got counts that are ["), "\(text)")
        #expect(text.contains("] together from another rank. "), "\(text)")
    }

    @Test("The size of another process's message is bounded", arguments: [.nan, 1e300, -1, 1e12])
    func sizes(_ forged: Double) throws {
        let text = try error(
            { _ = try $0.gather([1, 2, 3] as [UInt8]) },
            peer: {
                _ = try $0.sums([0, forged])
                try $0.broadcast(Tensor.zeros([3], .uint8), from: 0)
            })
        #expect(text.hasPrefix("rank 0 got a message of \(forged) bytes from rank 1. "), "\(text)")
    }

    @Test("What another process says is read as what it must be, and names what there is")
    func messages() throws {
        let other = try error(
            { _ = try $0.gather([1, 2]) as [[Int]] },
            peer: { _ = try $0.gather([0x7b, 0xff] as [UInt8]) })
        #expect(
            other.hasPrefix("rank 0 got 2 bytes that are no Array<Int> from rank 1. "), "\(other)")
        let place = try error(
            { _ = try $0.gathered([(annotation: 1, reason: "r")], of: 10) },
            peer: {
                _ = try $0.gather([10])
                _ = try $0.gather(["r"])
            })
        #expect(
            place.hasPrefix("rank 0 got annotations that the data does not have from another rank"),
            "\(place)")
    }
}
