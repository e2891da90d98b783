import Files
import Foundation
import Specs

/// What tells the processes of a run from strangers: 128 random bits or more that all of them are told and
/// nobody else.
struct RunSecret: Sendable {
    static let key = "MAL_RUN_SECRET"
    static let fileKey = "MAL_RUN_SECRET_FILE"

    let bytes: [UInt8]

    /// In hexadecimal, as the environment has it.
    var text: String { bytes.map { String(UInt16($0) + 256, radix: 16).dropFirst() }.joined() }

    /// A new one.
    init() {
        var generator = SystemRandomNumberGenerator()
        bytes = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    /// Nil where the environment has none.
    ///
    /// - Throws: `LabelingError.wrongUse` for one that is too short or no hexadecimal number. It is not shown.
    init?(_ environment: [String: String]) throws {
        let text: String
        let place: String
        if let value = environment[Self.key] {
            (text, place) = (value, "\(Self.key) in the environment")
        } else if let path = environment[Self.fileKey] {
            place = "\(printable(path, limit: 200)) (\(Self.fileKey))"
            // Nobody's secret is longer, and /dev/zero has no end.
            guard let file = FileHandle(forReadingAtPath: path),
                let data = try? file.read(upToCount: 4096)
            else {
                throw LabelingError.wrongUse(
                    "\(place): cannot be read; it must hold \(Self.expected)")
            }
            text = String(decoding: data, as: UTF8.self)
        } else {
            return nil
        }
        let digits = text.trimmingCharacters(in: .whitespacesAndNewlines).map(\.hexDigitValue)
        guard digits.count >= 32, digits.count % 2 == 0, !digits.contains(nil) else {
            throw LabelingError.wrongUse("\(place) must be \(Self.expected)")
        }
        let values = digits.compactMap { $0.map { UInt8($0) } }
        bytes = stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }

    private static let expected =
        "32 hexadecimal digits or more, in pairs (openssl rand -hex 16)"

    /// For several machines, where anybody in the network could take part without one.
    static let missing =
        "a run of several machines needs a secret that keeps strangers out: set \(key) to the same "
        + "\(expected) on all machines, or \(fileKey) to a file with them (docs/scale-out.md)"
}
