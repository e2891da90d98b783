import Annotations
import Foundation
import Testing
import TestSupport

/// A folder for one test, gone with it.
final class TestFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("coco-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func write(_ text: String, to name: String = "boxes.json") throws -> String {
        try write(Array(text.utf8), to: name)
    }

    func write(_ bytes: [UInt8], to name: String = "boxes.json") throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    func read(_ text: String) throws -> AnnotationFile {
        try AnnotationFile.read(path: write(text))
    }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}

func bytes(of path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}

func text(of path: String) throws -> String { String(decoding: try bytes(of: path), as: UTF8.self) }

func decode<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: fixture(name))))
}

/// A file of one 10×8 image with the given annotations.
func document(
    annotations: String,
    images: String = #"{"id": 1, "file_name": "a.jpg", "width": 10, "height": 8}"#,
    categories: String = #", "categories": [{"id": 3, "name": "cat"}]"#
) -> String {
    #"{"images": [\#(images)], "annotations": [\#(annotations)]\#(categories)}"#
}
