import Foundation
import Glibc

/// One measurement, with the keys of `pytorch_baseline.py`.
struct Measurement: Encodable {
    let what: String
    let arch: String
    let crop: Int
    let batch: Int
    let device: String
    let amp: String
    let torch: String
    let threads: Int
    /// The median of the steps.
    let secondsPerStep: Double
    let boxesPerSecond: Double
    /// The process's largest resident set so far.
    let peakMemoryMib: Int

    var line: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}

func peakMemoryMib() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return (usage.ru_maxrss + 512) / 1024
}
