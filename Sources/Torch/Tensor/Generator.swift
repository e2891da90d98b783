#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Random numbers from a seed: the same on every machine and with every libtorch (SplitMix64).
package struct Generator: RandomNumberGenerator, Sendable, Equatable {
    /// All there is to save for going on later.
    package var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number from 0 to below 1, evenly.
    package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A standard normal number (Box–Muller; the second of the pair is not kept, so that the state
    /// is one number).
    package mutating func normal() -> Double {
        let radius = (-2 * log(1 - unit())).squareRoot()
        return radius * cos(2 * .pi * unit())
    }
}
