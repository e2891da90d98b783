import Annotations
import Formats
import Foundation
import Testing

@Suite struct FormatListTests {
    @Test("the table in docs/formats.md is that of the list of formats")
    func table() throws {
        let page = try String(
            contentsOfFile: #filePath.components(separatedBy: "/Tests/")[0] + "/docs/formats.md",
            encoding: .utf8)
        let rows = AnnotationFormat.allCases.map {
            "| `\($0)` | \($0.summary) | \($0.toldBy) | \($0.isWritten ? "yes" : "no") |"
        }
        let table = (["| name | what | told by | written |", "| --- | --- | --- | --- |"] + rows)
            .joined(separator: "\n")
        #expect(page.contains(table + "\n\n"), "expected:\n\(table)")
    }

    @Test("names are unique, and each leads to its format")
    func names() {
        let names = AnnotationFormat.allCases.map(\.name)
        #expect(Set(names).count == names.count)
        for format in AnnotationFormat.allCases {
            #expect(AnnotationFormat(named: format.name) == format)
        }
        #expect(AnnotationFormat(named: "COCO") == nil)
    }
}
