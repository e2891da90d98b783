// C channels.

/// Watches what goes into the layers of a network that was made for it: from which numbers fixed ranges of int8
/// follow.
package final class InputRecorder {
    /// The inputs of one layer so far, by channel.
    package struct Inputs {
        /// (C): the least and the largest number.
        package let least, largest: Tensor
        /// (C): the sum of all amounts.
        package let amounts: Tensor
        /// How many numbers a channel had.
        package let count: Int

        package init(least: Tensor, largest: Tensor, amounts: Tensor, count: Int) {
            (self.least, self.largest) = (least, largest)
            (self.amounts, self.count) = (amounts, count)
        }
    }

    /// By the layers' places in the parameter store.
    package private(set) var inputs: [String: Inputs] = [:]

    package init() {}

    /// - Parameters:
    ///   - x: (…, C)
    ///   - place: the layer's.
    func record(_ x: Tensor, at place: String) {
        let rows = x.reshaped(-1, x.size(-1))
        let found = Inputs(
            least: rows.amin(0), largest: rows.amax(0), amounts: rows.abs().sum(0),
            count: rows.size(0))
        guard let before = inputs[place] else {
            inputs[place] = found
            return
        }
        inputs[place] = Inputs(
            least: .minimum(before.least, found.least),
            largest: .maximum(before.largest, found.largest),
            amounts: before.amounts + found.amounts, count: before.count + found.count)
    }
}

/// A layer's place in an ``InputRecorder``.
struct RecordedPlace {
    private let recorder: InputRecorder
    private let path: String

    /// Nil where nobody records.
    init?(_ scope: ParameterScope) {
        guard let recorder = scope.store.recorder else { return nil }
        (self.recorder, path) = (recorder, scope.path)
    }

    /// - Parameter x: (…, C)
    func record(_ x: Tensor) { recorder.record(x, at: path) }
}
