import Annotations
import Files
import Foundation
import Inference
import MaskModel

/// `data/index.js`: what the page filters and sorts by, in columns, worst box first.
struct ReportIndex {
    let script: String

    init(_ input: ReportInput) {
        let masks = input.masks
        let records = input.entries.map { masks.annotations[$0.annotation] }
        func column(_ values: some Sequence<Int>) -> String {
            "[" + values.map(String.init).joined(separator: ",") + "]"
        }
        func texts(_ values: some Sequence<String>) -> String {
            "[" + values.map(scriptText).joined(separator: ",") + "]"
        }
        let ids = records.map { record in
            switch record.id {
            // Browsers' numbers are exact up to there.
            case .integer(let number) where number.magnitude < 1 << 53: "\(number)"
            case .text(let text): scriptText(text)
            default: scriptText("\(record.id)")
            }
        }
        let sizes = records.map { SizeBucket($0.box)?.rawValue ?? 3 }
        let fields: [(String, String)] = [
            ("masks", scriptText(masks.path.fileName)),
            (
                "truth",
                input.truth.map { scriptText($0.path.fileName) } ?? "null"
            ),
            ("chunkSize", "\(ReportJob.chunkSize)"),
            ("files", texts(masks.images.map(\.fileName))),
            ("categories", texts(masks.categories.map { $0.name ?? "\($0.id)" })),
            ("reasons", texts(input.reasons)),
            ("id", "[" + ids.joined(separator: ",") + "]"),
            ("image", column(records.map { $0.imageIndex ?? -1 })),
            ("category", column(records.map { $0.categoryIndex ?? -1 })),
            ("size", column(sizes)),
            ("state", column(input.entries.map(\.state.rawValue))),
            ("score", column(input.entries.map { thousandths($0.score) })),
            ("iou", column(input.entries.map { thousandths($0.iou) })),
            ("reason", column(input.entries.map { $0.reason ?? -1 })),
            ("order", column(input.entries.map(\.annotation))),
        ]
        script =
            "MAL.index({\n"
            + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",\n") + "\n});\n"
    }
}
