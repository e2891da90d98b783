import Annotations
import Files
import Foundation
import FoundationXML

/// What is wrong with an XML file.
struct XMLFault: Error {
    let line: Int
    let expected: String
    let found: String
}

/// What is done with the elements of an XML file. `path` has the names from the root to the element.
protocol XMLHandler: AnyObject {
    func begin(_ path: [String], _ attributes: [String: String], line: Int) throws(XMLFault)

    /// - Parameter text: what stands directly in it, without white space around it.
    func end(_ path: [String], text: String, line: Int) throws(XMLFault)
}

/// Reads XML with libxml2 by way of Foundation, element by element.
///
/// Declarations of document types are refused before it sees them: no format needs one, and
/// entities, however nested, come with them only. libxml2 reads without recursion. What it takes
/// quadratic time for, very many attributes of one element, is refused as well.
final class XMLReader: NSObject {
    static let byteLimit = 1 << 30
    private static let attributeLimit = 256
    private static let textLimit = 65_536
    private static let depthLimit = 64

    private let handler: any XMLHandler
    private var path: [String] = []
    private var text = ""
    private var fault: XMLFault?
    private var hasRoot = false

    private init(_ handler: any XMLHandler) {
        self.handler = handler
    }

    /// - Throws: ``XMLFault``, `FileError`.
    static func read(path: String, _ handler: any XMLHandler) throws {
        let bytes = try FileBytes.text(path: path, kind: "file of XML", limit: byteLimit)
        try read(bytes, handler)
    }

    private static func read(_ bytes: [UInt8], _ handler: any XMLHandler) throws(XMLFault) {
        if let fault = fault(in: bytes) { throw fault }
        let reader = XMLReader(handler)
        // Nobody changes or keeps the bytes while they are parsed. Piece by piece, since libxml2 takes
        // no more than 10 MB at once.
        let isParsed = bytes.withUnsafeBytes { raw in
            guard let start = raw.baseAddress else { return false }
            let data = Data(
                bytesNoCopy: UnsafeMutableRawPointer(mutating: start), count: raw.count,
                deallocator: .none)
            let parser = XMLParser(stream: InputStream(data: data))
            parser.delegate = reader
            // True for files with mistakes that libxml2 could read on past: those count too.
            return parser.parse()
        }
        if let fault = reader.fault { throw fault }
        guard isParsed, reader.hasRoot else {
            throw XMLFault(line: 1, expected: "an XML document", found: "no element")
        }
    }

    /// What must not reach the parser.
    private static func fault(in bytes: [UInt8]) -> XMLFault? {
        func line(_ place: Int) -> Int { bytes[..<place].count { $0 == UInt8(ascii: "\n") } + 1 }
        if let place = bytes.firstIndex(of: 0) {
            return XMLFault(line: line(place), expected: "XML in UTF-8", found: "a NUL character")
        }
        let head = String(decoding: bytes.prefix(200), as: UTF8.self)
        if head.hasPrefix("<?xml"), let range = head.range(of: "encoding=") {
            let name = head[range.upperBound...].dropFirst().prefix {
                $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_"
            }
            let known = ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1"]
            if !known.contains(name.lowercased()) {
                return XMLFault(
                    line: 1, expected: "the encoding UTF-8, US-ASCII or ISO-8859-1",
                    found: String(name).quoted)
            }
        }
        var place = bytes.startIndex
        while let open = bytes[place...].firstIndex(of: UInt8(ascii: "<")) {
            let rest = bytes[(open + 1)...]
            if rest.starts(with: "!DOCTYPE".utf8) || rest.starts(with: "!ENTITY".utf8) {
                return XMLFault(
                    line: line(open), expected: "XML without a document type and entities",
                    found: TextFields.shown(bytes[open...].prefix(20)))
            }
            if attributeCount(of: rest) > attributeLimit {
                return XMLFault(
                    line: line(open), expected: "at most \(attributeLimit) attributes",
                    found: "an element with more")
            }
            place = open + 1
        }
        return nil
    }

    /// The quoted values up to the end of a tag, or to the next one if that comes first.
    private static func attributeCount(of tag: ArraySlice<UInt8>) -> Int {
        var count = 0
        var quote: UInt8?
        for byte in tag {
            if byte == UInt8(ascii: "<") || (byte == UInt8(ascii: ">") && quote == nil) { break }
            if byte == quote {
                quote = nil
            } else if quote == nil, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
                count += 1
            }
        }
        return count
    }

    private func stop(_ parser: XMLParser, _ fault: XMLFault) {
        guard self.fault == nil else { return }
        self.fault = fault
        parser.abortParsing()
    }

    private func stop(_ parser: XMLParser, _ expected: String, _ found: String) {
        stop(
            parser,
            XMLFault(line: max(parser.lineNumber, 1), expected: expected, found: found))
    }
}

extension XMLReader: XMLParserDelegate {
    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
        qualifiedName: String?, attributes: [String: String]
    ) {
        guard fault == nil else { return }
        hasRoot = true
        path.append(name)
        text = ""
        guard path.count <= Self.depthLimit else {
            return stop(
                parser, "at most \(Self.depthLimit) elements inside each other", "more")
        }
        do throws(XMLFault) {
            try handler.begin(path, attributes, line: max(parser.lineNumber, 1))
        } catch {
            stop(parser, error)
        }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
        text += string
        if text.utf8.count > Self.textLimit {
            stop(parser, "texts of at most \(Self.textLimit) bytes", "a longer one")
        }
    }

    func parser(_ parser: XMLParser, foundCDATA block: Data) {
        self.parser(parser, foundCharacters: String(decoding: block, as: UTF8.self))
    }

    func parser(
        _ parser: XMLParser, didEndElement name: String, namespaceURI: String?,
        qualifiedName: String?
    ) {
        guard fault == nil, path.last == name else { return }
        do throws(XMLFault) {
            let value = text.trimmingCharacters(in: .whitespacesAndNewlines)
            try handler.end(path, text: value, line: max(parser.lineNumber, 1))
        } catch {
            stop(parser, error)
        }
        text = ""
        path.removeLast()
    }

    func parser(_ parser: XMLParser, parseErrorOccurred error: any Error) {
        let code = (error as NSError).code
        // By libxml2's numbers: Foundation names only some of them.
        let reason =
            switch code {
            case 1: "a tag of more than 10 MB"
            case 76: "an end tag that is not its start tag's"
            case 4, 5, 77: "a document that ends too early or goes on after its end"
            case 9, 81: "a character that XML or UTF-8 does not have"
            case 40, 65, 68, 72, 73, 74: "a broken tag"
            case 23, 26: "an entity that XML does not have"
            default: "libxml2's error \(code)"
            }
        stop(parser, "well-formed XML", reason)
    }
}
