import Annotations
import CFuzz
import Files
import Imaging
import MaskModel
import Specs
import Torch

/// Reads a range of inputs in this process, which ends where a reader does anything but accept or
/// refuse.
struct Worker {
    let reader: Reader
    let seed: UInt64
    let state: UnsafeMutablePointer<cf_state>

    static let cpuLimit: Int32 = 5  // seconds
    static let wallLimit: Int32 = 300  // seconds
    static let heapLimit: UInt64 = 256 << 20  // bytes
    static let messageLimit = 1 << 16  // bytes

    static func input(_ reader: Reader, seed: UInt64, index: Int) -> [UInt8] {
        var random = Random(seed: seed, reader: reader.name, index: index)
        return reader.generate(&random)
    }

    func run(_ range: Range<Int>) {
        for index in range {
            read(Self.input(reader, seed: seed, index: index), index: index)
        }
    }

    /// - Returns: what the reader said when it refused the input.
    @discardableResult
    func read(_ input: [UInt8], index: Int) -> String? {
        var refusal: (any Error)?
        cf_begin(state, UInt64(index), Self.cpuLimit, Self.wallLimit)
        do { try reader.read(input, index) } catch { refusal = error }
        let message = refusal.map { "\($0)" }
        cf_end(state, refusal == nil ? 1 : 0)
        let largest = state.pointee.largest
        require(largest <= Self.heapLimit, "\(largest >> 20) MB of heap for \(input.count) bytes")
        if let refusal, let message {
            require(Self.isOurs(refusal), "an error of another kind: \(message)")
            require(
                message.utf8.count <= Self.messageLimit, "a message of \(message.utf8.count) bytes")
        }
        return message
    }

    private static func isOurs(_ error: any Error) -> Bool {
        error is AnnotationError || error is FileError || error is ImageError
            || error is CheckpointError || error is SpecError || error is MaskModelError
            || error is TorchError
    }
}
