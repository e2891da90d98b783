import CTorch

/// A point in a device's work: when it has done everything that was asked of it before. A CPU has done so at
/// once.
package final class Event {
    private enum Point {
        case host(ContinuousClock.Instant)
        case cuda(ct_event)
    }
    private let point: Point

    /// The point that is now.
    package init(on device: Device) {
        switch device {
        case .cpu: point = .host(.now)
        case .cuda:
            var made: ct_event?
            check(ct_event_record(device.index, &made), "an event")
            // None where the device failed, and that was noted.
            point = made.map(Point.cuda) ?? .host(.now)
        }
    }

    deinit { if case .cuda(let event) = point { ct_event_free(event) } }

    /// Waits until the device has come here.
    package func wait() {
        if case .cuda(let event) = point { check(ct_event_wait(event), "an event") }
    }

    /// Seconds from another point of the same device to this one; it has come to both. 0 where it failed between.
    package func seconds(since start: Event) -> Double {
        switch (start.point, point) {
        case (.host(let start), .host(let end)): return (end - start) / .seconds(1)
        case (.cuda(let start), .cuda(let end)):
            var seconds = 0.0
            check(ct_event_elapsed(start, end, &seconds), "the time between events")
            return seconds
        default: return 0
        }
    }
}

/// A tensor's numbers on their way from a device to the host. Making one does not wait, so that the host can go
/// on giving work to the device.
package final class Readback {
    private let host: Tensor
    private let arrival: Event

    /// - Parameter tensor: not written to afterwards.
    package init(_ tensor: Tensor) {
        let device = tensor.device
        host = withoutGradients {
            device == .cpu
                ? tensor
                : Tensor.empty(tensor.shape, tensor.dtype, isPinned: true)
                    .copy(from: tensor, waits: false)
        }
        arrival = Event(on: device)
    }

    /// The numbers, row by row; waits for them.
    package func doubles() -> [Double] {
        arrival.wait()
        return host.doubles()
    }

    package func floats() -> [Float] {
        arrival.wait()
        return host.floats()
    }
}
