import Foundation
import Synchronization

/// What a server counts, as Prometheus reads it.
final class Metrics: Sendable {
    private struct Counts {
        /// By path and status.
        var requests: [String: [Int: Int]] = [:]
        var boxes = 0
        var masks = 0
        var inFlight = 0
        /// Requests for masks by the seconds that they took, not added up.
        var latencies = [Int](repeating: 0, count: bounds.count + 1)
        var seconds = 0.0
    }

    private static let bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
    private let counts = Mutex(Counts())

    func begin() { counts.withLock { $0.inFlight += 1 } }

    /// - Parameter path: one of the server's own; anything else is counted as `other`.
    func end(path: String, status: Int, seconds: Double) {
        counts.withLock {
            $0.inFlight -= 1
            $0.requests[path, default: [:]][status, default: 0] += 1
            guard status == 200, path == "/v1/masks" || path == "/predict" || path == "/cvat"
            else { return }
            $0.latencies[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
            $0.seconds += seconds
        }
    }

    func add(boxes: Int, masks: Int) {
        counts.withLock {
            $0.boxes += boxes
            $0.masks += masks
        }
    }

    func text(waiting: Int, uptime: Double) -> String {
        let counts = counts.withLock { $0 }
        var lines: [String] = []
        func metric(_ name: String, _ type: String, _ help: String) {
            lines += ["# HELP mal_\(name) \(help)", "# TYPE mal_\(name) \(type)"]
        }
        metric("requests_total", "counter", "Requests answered.")
        for (path, statuses) in counts.requests.sorted(by: { $0.key < $1.key }) {
            for (status, count) in statuses.sorted(by: { $0.key < $1.key }) {
                lines.append("mal_requests_total{path=\"\(path)\",status=\"\(status)\"} \(count)")
            }
        }
        metric("boxes_total", "counter", "Boxes asked for.")
        lines.append("mal_boxes_total \(counts.boxes)")
        metric("masks_total", "counter", "Masks with at least a pixel.")
        lines.append("mal_masks_total \(counts.masks)")
        metric("requests_in_flight", "gauge", "Requests that have come and are not answered.")
        lines.append("mal_requests_in_flight \(counts.inFlight)")
        metric("queue_length", "gauge", "Requests that wait for room.")
        lines.append("mal_queue_length \(waiting)")
        metric("uptime_seconds", "gauge", "Seconds since the server began.")
        lines.append("mal_uptime_seconds \(uptime)")
        metric("masks_request_seconds", "histogram", "Seconds of answered requests for masks.")
        var sum = 0
        for (bound, count) in zip(Self.bounds, counts.latencies) {
            sum += count
            lines.append("mal_masks_request_seconds_bucket{le=\"\(bound)\"} \(sum)")
        }
        sum += counts.latencies.last ?? 0
        lines.append("mal_masks_request_seconds_bucket{le=\"+Inf\"} \(sum)")
        lines.append("mal_masks_request_seconds_sum \(counts.seconds)")
        lines.append("mal_masks_request_seconds_count \(sum)")
        return lines.joined(separator: "\n") + "\n"
    }
}
