import Annotations
import Formats
import Imaging
import MaskAutoLabeler
import TestSupport
import Testing

@Suite("Annotations in memory")
struct AnnotationSetTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func set() throws -> AnnotationSet {
        let size = Size(height: 40, width: 60)
        var set = AnnotationSet()
        set.categories = [.init(id: 3, name: "cat"), .init(id: 1, name: "dog \"x\"")]
        set.images = [
            .init(id: 7, fileName: "a/one.jpg", size: size),
            .init(id: "two", fileName: "zwei.png", size: size),
        ]
        let mask = try RLE(size: size, counts: [45, 10, 30, 10, 2305])
        set.objects = [
            .init(
                id: 20, image: 7, category: 1, box: Box(x: 1, y: 5, width: 2, height: 10),
                mask: mask, score: 0.75),
            .init(id: "b", image: "two", category: 3, box: Box(x: 4.5, y: 6, width: 7, height: 8)),
        ]
        set.objects[1].isCrowd = true
        return set
    }

    @Test("What is written as COCO comes back equal")
    func roundTrip() throws {
        let set = try set()
        let path = folder.path + "/set.json"
        let summary = try set.write(to: path)
        #expect(summary.target.format == .coco)
        #expect(try AnnotationSet.read(path) == set)
    }

    @Test("Masks come back through a format of folders", arguments: ["png", "labelme", "cvat"])
    func masks(format: String) throws {
        let set = try set()
        let path = folder.path + "/out-" + format
        let target = try OutputTarget(format + ":" + path)
        try set.write(to: path, format: target.format)
        let again = try AnnotationSet.read(path)
        #expect(again.objects.compactMap(\.mask) == set.objects.compactMap(\.mask))
    }

    @Test("A file that is there stays; a wrong set is refused by name, and nothing is written")
    func refusals() throws {
        var set = try set()
        let path = folder.path + "/set.json"
        try set.write(to: path)
        #expect(throws: (any Error).self) { try set.write(to: path) }
        let other = folder.path + "/other.json"
        set.objects[0].box.maxX = .infinity
        let error = #expect(throws: AnnotationError.self) { try set.write(to: other) }
        let message = "\(try #require(error))"
        #expect(message.contains("the annotation set") && message.contains("bbox"))
        #expect(throws: (any Error).self) { try AnnotationSet.read(other) }
    }
}
