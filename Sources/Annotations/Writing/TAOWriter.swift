import Files
import Imaging

/// Writes what the reference writes (SPEC §9): the input as Python reads and writes it, with
/// `annotations` replaced by the predictions. Boxes that the reference filters out are absent, and
/// of two annotations with one id the first stays.
package struct TAOWriter {
    package struct Prediction: Sendable, Equatable {
        package var mask: AnnotationResult
        /// Only for boxes that are a detector's.
        package var score: Double?
        /// Only where the annotations have masks.
        package var iou: Double?

        package init(_ mask: AnnotationResult, score: Double? = nil, iou: Double? = nil) {
            self.mask = mask
            self.score = score
            self.iou = iou
        }
    }

    private let file: AnnotationFile

    package init(_ file: AnnotationFile) {
        self.file = file
    }

    /// - Parameters:
    ///   - path: the output; it may be the input's own path.
    ///   - run: what makes it, for the folder's ``Manifest``; nil leaves it out of that.
    ///   - beforeCommit: called when all is written, before the output has its name.
    ///   - filter: which annotations are kept.
    ///   - predictions: the prediction for the annotation at a place in `annotations`, or nil to
    ///     leave it out. Called once for each kept one, in order.
    package func write(
        to path: String, filter: TAOFilter = .validation, run: String? = nil,
        beforeCommit: () throws -> Void = {},
        predictions: (_ annotation: Int) throws -> Prediction?
    ) throws {
        var output = try OutputFile(path: path)
        try file.bytes.withBytes { content in
            var scanner = JSONScanner(content, 0..<content.count)
            var names: Set<String?> = []
            _ = scanner.take("{")
            try output.write("{")
            while scanner.peek() == UInt8(ascii: "\"") {
                let key = scanner.string()
                let name = scanner.text(key)
                _ = scanner.take(":")
                var buffer: [UInt8] = []
                if !names.isEmpty { buffer += [UInt8(ascii: ","), 0x20] }
                names.insert(name)
                PythonJSON.string(scanner, key, into: &buffer)
                buffer += [UInt8(ascii: ":"), 0x20]
                if name == "annotations" {
                    try output.write(buffer)
                    _ = scanner.value()
                    try writeAnnotations(&output, content, filter, predictions)
                } else {
                    try PythonJSON.rewrite(&scanner, into: &buffer) { (ready) throws in
                        guard ready.count > 1 << 16 else { return }
                        try output.write(ready)
                        ready.removeAll(keepingCapacity: true)
                    }
                    try output.write(buffer)
                }
                _ = scanner.take(",")
            }
            try output.write("}")
        }
        try beforeCommit()
        try output.commit(noting: run != nil, run: run)
    }

    private func writeAnnotations(
        _ output: inout OutputFile, _ content: UnsafeBufferPointer<UInt8>, _ filter: TAOFilter,
        _ predictions: (Int) throws -> Prediction?
    ) throws {
        var written: Set<RecordID> = []
        try output.write("[")
        for annotation in file.annotations {
            guard filter.keeps(annotation, in: file), !written.contains(annotation.id),
                let prediction = try predictions(annotation.index)
            else { continue }
            if !written.isEmpty { try output.write(", ") }
            written.insert(annotation.id)
            try output.write(try record(annotation, prediction, content))
        }
        try output.write("]")
    }

    private func record(
        _ annotation: AnnotationRecord, _ prediction: Prediction,
        _ content: UnsafeBufferPointer<UInt8>
    ) throws -> [UInt8] {
        // Ids in the spelling of the file, which may be 17.0 or a text.
        var scanner = JSONScanner(content, annotation.range)
        let text = scanner
        var ids: [String: Range<Int>] = [:]
        scanner.members { key, value in
            switch text.text(key) {
            case let name? where name == "id" || name == "category_id" || name == "image_id":
                ids[name] = value
            default: break
            }
        }
        func id(_ name: String) throws -> [UInt8] {
            guard let range = ids[name] else { return Array("null".utf8) }
            var value = JSONScanner(content, range)
            var output: [UInt8] = []
            try PythonJSON.rewrite(&value, into: &output)
            return output
        }
        // The reference holds boxes in single precision and subtracts there, but multiplies in
        // double.
        let box = annotation.box
        let (x, y) = (Float(box.minX), Float(box.minY))
        let (width, height) = (Float(box.maxX) - x, Float(box.maxY) - y)
        let sides = [x, y, width, height].map { PythonJSON.number(Double($0)) }
        var output = Array("{\"bbox\": [\(sides.joined(separator: ", "))], \"id\": ".utf8)
        output += try id("id")
        output += Array(", \"category_id\": ".utf8)
        output += try id("category_id")
        output += Array(", \"segmentation\": ".utf8)
        output += prediction.mask.segmentation(isSpaced: true)
        let area = PythonJSON.number(Double(width) * Double(height))
        output += Array(", \"iscrowd\": 0, \"area\": \(area), \"image_id\": ".utf8)
        output += try id("image_id")
        if let score = prediction.score {
            output += Array(", \"score\": \(PythonJSON.number(score))".utf8)
        }
        if let iou = prediction.iou {
            output += Array(", \"iou\": \(PythonJSON.number(iou))".utf8)
        }
        output.append(UInt8(ascii: "}"))
        return output
    }
}
