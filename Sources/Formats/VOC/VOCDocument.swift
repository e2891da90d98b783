import Files
import Foundation
import FoundationXML

/// What a VOC file says, read with libxml2 by way of Foundation.
///
/// Declarations of document types are refused before it sees them: VOC needs none, and entities,
/// however nested, come with them only. libxml2 reads without recursion; very long tags, which it
/// takes quadratic time for, are refused as well.
final class VOCDocument: NSObject {
    struct Object {
        let line: Int
        var texts: [String: String] = [:]
        /// Numbers of polygons, x and y in turn, as texts: `<x1>…<y1>…` or `<pt><x>…<y>…`.
        var polygons: [[String]] = []
        /// Whether the corners are elements `pt`.
        var hasPoints = false
    }

    /// What is wrong with the file.
    struct Fault: Error {
        let line: Int
        let expected: String
        let found: String
    }

    static let cornerKeys = ["xmin", "ymin", "xmax", "ymax"]
    /// Further elements of an object that the annotation keeps.
    static let kept = ["pose", "truncated", "difficult", "occluded"]
    private static let tagLimit = 4096
    private static let textLimit = 65_536

    private(set) var fileName = ""
    private(set) var width = ""
    private(set) var height = ""
    private(set) var objects: [Object] = []

    private var path: [String] = []
    private var object: Object?
    private var text = ""
    private var fault: Fault?
    private var hasRoot = false

    init(_ bytes: [UInt8]) throws {
        super.init()
        if let fault = Self.fault(in: bytes) { throw fault }
        let parser = XMLParser(data: Data(bytes))
        parser.delegate = self
        // True for files with mistakes that libxml2 could read on past: those count too.
        let isParsed = parser.parse()
        if let fault { throw fault }
        guard isParsed, hasRoot else {
            throw Fault(line: 1, expected: "an XML document", found: "no element")
        }
    }

    /// What must not reach the parser.
    private static func fault(in bytes: [UInt8]) -> Fault? {
        func line(_ place: Int) -> Int { bytes[..<place].count { $0 == UInt8(ascii: "\n") } + 1 }
        if let place = bytes.firstIndex(of: 0) {
            return Fault(line: line(place), expected: "XML in UTF-8", found: "a NUL character")
        }
        let head = String(decoding: bytes.prefix(200), as: UTF8.self)
        if head.hasPrefix("<?xml"), let range = head.range(of: "encoding=") {
            let name = head[range.upperBound...].dropFirst().prefix {
                $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_"
            }
            let known = ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1"]
            if !known.contains(name.lowercased()) {
                return Fault(
                    line: 1, expected: "the encoding UTF-8, US-ASCII or ISO-8859-1",
                    found: String(name).quoted)
            }
        }
        var place = bytes.startIndex
        while let open = bytes[place...].firstIndex(of: UInt8(ascii: "<")) {
            let rest = bytes[(open + 1)...].prefix(tagLimit)
            if rest.starts(with: "!DOCTYPE".utf8) || rest.starts(with: "!ENTITY".utf8) {
                return Fault(
                    line: line(open), expected: "XML without a document type and entities",
                    found: TextFields.shown(bytes[open...].prefix(20)))
            }
            if rest.first != UInt8(ascii: "!"), !rest.contains(UInt8(ascii: ">")),
                rest.count == tagLimit
            {
                return Fault(
                    line: line(open), expected: "tags of at most \(tagLimit) bytes",
                    found: "a longer one")
            }
            place = open + 1
        }
        return nil
    }
}

extension VOCDocument: XMLParserDelegate {
    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
        qualifiedName: String?, attributes: [String: String]
    ) {
        if path.isEmpty {
            hasRoot = true
            if name != "annotation" {
                stop(parser, "the element <annotation>", "<\(name.prefix(60))>")
            }
        }
        path.append(name)
        text = ""
        if path.count == 2, name == "object" { object = Object(line: parser.lineNumber) }
        if path.count == 3, name == "polygon" { object?.polygons.append([]) }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
        guard path.count <= 5 else { return }
        text += string
        if text.utf8.count > Self.textLimit {
            stop(parser, "texts of at most \(Self.textLimit) bytes", "a longer one")
        }
    }

    func parser(
        _ parser: XMLParser, didEndElement name: String, namespaceURI: String?,
        qualifiedName: String?
    ) {
        defer {
            text = ""
            _ = path.popLast()
        }
        guard path.last == name else { return }
        let value = text.trimmingCharacters(in: .whitespacesAndNewlines)
        switch (path.count, path.dropLast().last) {
        case (2, _) where name == "filename": fileName = value
        case (2, _) where name == "object":
            if let object { objects.append(object) }
            object = nil
        case (3, "size") where name == "width": width = value
        case (3, "size") where name == "height": height = value
        case (3, "object") where name == "name" || Self.kept.contains(name):
            object?.texts[name] = value
        case (4, "bndbox") where path[1] == "object" && Self.cornerKeys.contains(name):
            object?.texts[name] = value
        case (4, "polygon") where path[1] == "object" && (name.first == "x" || name.first == "y"):
            addCorner(value)
        case (5, "pt") where path[2] == "polygon" && (name == "x" || name == "y"):
            object?.hasPoints = true
            addCorner(value)
        default: break
        }
    }

    func parser(_ parser: XMLParser, parseErrorOccurred error: any Error) {
        let code = (error as NSError).code
        // By libxml2's numbers: Foundation names only some of them.
        let reason =
            switch code {
            case 76: "an end tag that is not its start tag's"
            case 4, 5, 77: "a document that ends too early or goes on after its end"
            case 9, 81: "a character that XML or UTF-8 does not have"
            case 65, 68, 72, 73, 74: "a broken tag"
            case 23, 26: "an entity that XML does not have"
            default: "libxml2's error \(code)"
            }
        stop(parser, "well-formed XML", reason)
    }

    private func addCorner(_ value: String) {
        guard let last = object?.polygons.indices.last else { return }
        object?.polygons[last].append(value)
    }

    private func stop(_ parser: XMLParser, _ expected: String, _ found: String) {
        guard fault == nil else { return }
        fault = Fault(line: max(parser.lineNumber, 1), expected: expected, found: found)
        parser.abortParsing()
    }
}
