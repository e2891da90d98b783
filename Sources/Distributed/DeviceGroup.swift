import CDistributed
package import Torch

/// The processes of a run, each with a GPU of its own, for collectives on the GPUs' memory (NCCL). All of them make
/// the same calls in the same order.
///
/// A collective is enqueued like an operator, on a stream beside that of the operators. It does not fail when another
/// process is lost: it never ends.
package final class DeviceGroup {
    private let handle: ct_nccl

    /// Names a new group to all its processes; one of them makes it.
    package static func makeID() throws(TorchError) -> [UInt8] {
        var id = [UInt8](repeating: 0, count: Int(CT_NCCL_ID_SIZE))
        try communicate(ct_nccl_id(&id))
        return id
    }

    /// Comes back when all processes have joined.
    ///
    /// - Parameters:
    ///   - id: from ``makeID()``, the same for all.
    ///   - device: a CUDA device that no other process of the group has.
    package init(id: [UInt8], rank: Int, count: Int, device: Device) throws(TorchError) {
        // It comes from another process.
        guard id.count == Int(CT_NCCL_ID_SIZE) else {
            throw .communication("the id of a group of devices has \(id.count) bytes")
        }
        precondition(0 <= rank && rank < count, "rank \(rank) of \(count)")
        guard case .cuda = device else {
            throw .unavailableDevice("\(device)", reason: "NCCL is for CUDA devices")
        }
        var made: ct_nccl?
        try communicate(ct_nccl_open(id, Int32(rank), Int32(count), device.index, &made))
        guard let made else { trap("a group of devices") }
        handle = made
    }

    deinit { ct_nccl_close(handle) }

    /// Starts to make `tensor`, in place, the sum over all processes.
    package func startSum(_ tensor: Tensor) throws(TorchError) -> PendingCollective {
        var end: ct_event?
        try communicate(ct_nccl_all_reduce(handle, tensor.handle, &end))
        return PendingCollective(device: end, tensor)
    }

    /// Makes `tensor`, in place, what the process `root` has, before the next operator uses it.
    package func broadcast(_ tensor: Tensor, from root: Int) throws(TorchError) {
        var end: ct_event?
        try communicate(ct_nccl_broadcast(handle, tensor.handle, Int32(root), &end))
        try PendingCollective(device: end, tensor).wait()
    }
}
