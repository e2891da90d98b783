import Files
import Foundation
import Glibc
import Specs

/// `status.json` as TAO writes it: one JSON object a line, appended.
package struct StatusLog: Sendable {
    package enum State: String, Sendable {
        case started = "STARTED"
        case running = "RUNNING"
        case success = "SUCCESS"
        case failure = "FAILURE"
    }

    package let path: String

    /// - Parameter directory: the results folder of the task; it must exist.
    package init(directory: String) { path = directory + "/status.json" }

    /// Appends the line that TAO writes after an epoch.
    ///
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - meanSeconds: of an epoch so far.
    package func write(epoch: Int, of count: Int, meanSeconds: Double) throws {
        let left = Double(max(0, count - 1 - epoch)) * meanSeconds
        try write(
            .running, "Training loop in progress",
            data: [
                ("epoch", "\(epoch)"), ("max_epoch", "\(count - 1)"),
                ("time_per_epoch", jsonText(pythonDuration(meanSeconds))),
                ("eta", jsonText(pythonDuration(left))),
            ])
    }

    /// Appends one line.
    /// - Parameters:
    ///   - data: fields to begin with, as JSON.
    ///   - kpi: named results; a number that is not finite is written as null.
    package func write(
        _ state: State, _ message: String, data: [(name: String, json: String)] = [],
        kpi: [(name: String, value: Double)] = []
    ) throws {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "M/d/yyyy"
        let now = Date()
        let date = formatter.string(from: now)
        formatter.dateFormat = "HH:mm:ss"
        let time = formatter.string(from: now)
        var fields = data.map { "\(jsonText($0.name)): \($0.json)" }
        fields += [
            "\"date\": \(jsonText(date))", "\"time\": \(jsonText(time))",
            "\"status\": \(jsonText(state.rawValue))",
            "\"verbosity\": \"\(state == .failure ? "ERROR" : "INFO")\"",
            "\"message\": \(jsonText(message))",
        ]
        if !kpi.isEmpty {
            let values = kpi.map { "\(jsonText($0.name)): \(jsonNumber($0.value))" }
            fields.append("\"kpi\": {\(values.joined(separator: ", "))}")
        }
        try appendLine("{" + fields.joined(separator: ", ") + "}", to: path)
    }
}

/// As Python writes a `timedelta`: `0:26:34.352468`, `1 day, 2:00:00`.
package func pythonDuration(_ seconds: Double) -> String {
    let microseconds = Int((min(max(seconds, 0), 1e9) * 1e6).rounded())
    let (whole, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    let days = whole / 86400
    let time = String(
        format: "%d:%02d:%02d", whole / 3600 % 24, whole / 60 % 60, whole % 60)
    return (days > 0 ? "\(days) day\(days == 1 ? "" : "s"), " : "") + time
        + (fraction > 0 ? String(format: ".%06d", fraction) : "")
}
