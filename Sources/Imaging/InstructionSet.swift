import CImaging

/// Which instructions the arithmetic on pixels uses. All give the same bytes; tests compare them.
package enum InstructionSet: Int32, Sendable, CaseIterable {
    case generic = 0
    case avx2 = 1
    case avx512 = 2

    /// The best that this processor has.
    package static let best = InstructionSet(rawValue: ci_best_level()) ?? .generic

    package static var available: [InstructionSet] {
        allCases.filter { $0.rawValue <= best.rawValue }
    }

    /// What is used now: the best, unless a test asks for another.
    @TaskLocal package static var current = InstructionSet.best
}
