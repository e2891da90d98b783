import CDistributed
package import Torch

/// The processes of a run, for collectives on host memory (c10d's Gloo). All of them make the same
/// calls in the same order.
package final class ProcessGroup {
    package let rank: Int
    package let count: Int
    private let handle: ct_group

    /// Meets the other processes over `store`.
    ///
    /// - Parameters:
    ///   - prefix: of the group's keys in the store, which may hold those of an earlier group.
    ///   - timeout: a collective that takes longer fails.
    package init(
        _ store: SharedStore, prefix: String = "", rank: Int, count: Int, timeout: Duration
    ) throws(TorchError) {
        precondition(0 <= rank && rank < count, "rank \(rank) of \(count)")
        var made: ct_group?
        try communicate(
            ct_group_open(
                store.handle, prefix, Int32(rank), Int32(count), timeout.wholeMilliseconds,
                &made))
        guard let made else { trap("a process group") }
        handle = made
        self.rank = rank
        self.count = count
    }

    deinit { ct_group_close(handle) }

    /// Starts to make `tensor`, in place, the sum over all processes.
    package func startSum(_ tensor: Tensor) throws(TorchError) -> PendingCollective {
        var work: ct_work?
        try communicate(ct_all_reduce(handle, tensor.handle, &work))
        return PendingCollective(host: work, tensor)
    }

    /// Makes `tensor`, in place, the sum over all processes; the same bits on each.
    package func sum(_ tensor: Tensor) throws(TorchError) { try startSum(tensor).wait() }

    /// Makes `tensor`, in place, what the process `root` has.
    package func broadcast(_ tensor: Tensor, from root: Int) throws(TorchError) {
        var work: ct_work?
        try communicate(ct_broadcast(handle, tensor.handle, Int32(root), &work))
        try PendingCollective(host: work, tensor).wait()
    }
}

/// A collective on its way. Its tensor must not be used before ``wait()`` is back.
package final class PendingCollective {
    private enum Work {
        case host(ct_work)
        case device(ct_event)
    }
    private var work: Work?
    private let tensor: Tensor

    init(host work: ct_work?, _ tensor: Tensor) {
        self.work = work.map { .host($0) }
        self.tensor = tensor
    }

    init(device end: ct_event?, _ tensor: Tensor) {
        work = end.map { .device($0) }
        self.tensor = tensor
    }

    deinit {
        // The other side writes into the tensor until then, also when nobody asks how it ended.
        if work != nil { try? wait() }
    }

    /// On a device only the operators that follow wait; the host goes on.
    package func wait() throws(TorchError) {
        guard let work else { return }
        self.work = nil
        switch work {
        case .host(let work): try communicate(ct_wait(work))
        case .device(let end):
            defer { ct_event_free(end) }
            try communicate(ct_event_join(end))
        }
    }
}
