import Files
import Foundation
import HTTPTypes

/// The parts of a `multipart/form-data` body (RFC 7578).
struct Multipart {
    private(set) var parts: [String: Data] = [:]
    private static let partLimit = 16

    /// - Throws: ``Refusal``.
    init(_ body: Data, contentType: String) throws {
        guard let boundary = Self.parameter("boundary", of: contentType),
            (1...70).contains(boundary.utf8.count)
        else {
            throw Refusal(.badRequest, "Content-Type: expected a boundary of 1 to 70 characters")
        }
        let line = Data(("--" + boundary).utf8)
        guard var place = body.range(of: line)?.upperBound else {
            throw Refusal(.badRequest, "the body: expected parts between lines --\(boundary)")
        }
        let next = Data("\r\n".utf8) + line
        while !body[place...].starts(with: Data("--".utf8)) {
            guard parts.count < Self.partLimit else {
                throw Refusal(.badRequest, "the body: expected at most \(Self.partLimit) parts")
            }
            guard let header = body.range(of: Data("\r\n\r\n".utf8), in: place..<body.endIndex),
                header.lowerBound - place < 8192,
                let end = body.range(of: next, in: header.lowerBound..<body.endIndex)
            else {
                throw Refusal(.badRequest, "the body: it ends within a part")
            }
            guard end.lowerBound >= header.upperBound else {
                throw Refusal(.badRequest, "the body: a part ends within its header")
            }
            let lines = String(decoding: body[place..<header.lowerBound], as: UTF8.self)
                .components(separatedBy: "\r\n")
            guard
                let disposition = lines.first(where: {
                    $0.lowercased().hasPrefix("content-disposition:")
                }), let name = Self.parameter("name", of: disposition)
            else {
                throw Refusal(.badRequest, "the body: a part has no name")
            }
            guard parts.updateValue(body[header.upperBound..<end.lowerBound], forKey: name) == nil
            else {
                throw Refusal(.badRequest, "the body: expected one part \(name.quoted), found two")
            }
            place = end.upperBound
        }
    }

    /// `name=value` or `name="value"` among what semicolons part.
    private static func parameter(_ name: String, of field: String) -> String? {
        for part in field.split(separator: ";").dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2,
                pair[0].trimmingCharacters(in: .whitespaces).lowercased() == name
            else { continue }
            var value = pair[1].trimmingCharacters(in: .whitespaces)
            if value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") {
                value = String(value.dropFirst().dropLast())
            }
            return value
        }
        return nil
    }
}
