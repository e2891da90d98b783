import Files
import Foundation
import Glibc
import Specs

/// `status.json` as TAO writes it: one JSON object a line, appended.
public struct StatusLog: Sendable {
    public enum State: String, Sendable {
        case started = "STARTED"
        case running = "RUNNING"
        case success = "SUCCESS"
        case failure = "FAILURE"
    }

    package let path: String

    /// - Parameter directory: the results folder of the task; it must exist.
    public init(directory: String) { path = directory + "/status.json" }

    /// Appends one line.
    /// - Parameter kpi: named results; a number that is not finite is written as null.
    public func write(
        _ state: State, _ message: String, kpi: [(name: String, value: Double)] = []
    ) throws {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "M/d/yyyy"
        let now = Date()
        let date = formatter.string(from: now)
        formatter.dateFormat = "HH:mm:ss"
        let time = formatter.string(from: now)
        var fields = [
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
