import HTTPTypes

/// Why a server can't start.
public enum ServingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An option is wrong by itself.
    case wrongOption(String)
    case cannotListen(address: String, reason: String)

    public var description: String {
        switch self {
        case .wrongOption(let message): message
        case .cannotListen(let address, let reason): "cannot listen on \(address): \(reason)"
        }
    }
}

/// Why a request gets no answer: the status and the words that go back to who asked.
struct Refusal: Error, Equatable {
    let status: HTTPResponse.Status
    let message: String
    /// What goes back beside the message.
    var fields: [HTTPField] = []

    init(_ status: HTTPResponse.Status, _ message: String, fields: [HTTPField] = []) {
        self.status = status
        self.message = message
        self.fields = fields
    }

    static func wrong(_ message: String) -> Refusal { Refusal(.unprocessableContent, message) }

    static func busy(_ message: String) -> Refusal {
        Refusal(
            .tooManyRequests, message + ": try again",
            fields: [HTTPField(name: .retryAfter, value: "1")])
    }
}
