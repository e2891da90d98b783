import Annotations
import Files
import Foundation
import Imaging
import MaskModel
import Testing
import TestSupport
import Training

@Suite struct TrainingSetTests {
    static func set(
        _ path: String = fixture("coco/instances.json"), images: String = fixture("coco/images"),
        minArea: Double = 0, maxArea: Double = 1e10
    ) throws -> TrainingSet {
        try TrainingSet(
            file: try AnnotationFile.read(path: path), imagesDirectory: images,
            filter: TAOFilter(minArea: minArea, maxArea: maxArea), decoding: DecodeOptions())
    }

    struct Meta: Decodable { let keptIds: [Int64] }

    @Test("keeps what the reference keeps, in file order, and counts the rest")
    func reference() throws {
        let set = try Self.set()
        let kept = try jsonFixture("data_meta.json", as: Meta.self).keptIds
        #expect(set.annotations.map { set.file.annotations[$0].id } == kept.map { .integer($0) })
        #expect(set.count == 13 && set.droppedCount == 5 && set.imageCount == 4)
        #expect(set.dropCounts == [.reachesOutsideImage: 3, .sideTooShort: 2])
        #expect(
            set.bucketCounts == [.small: 3, .medium: 5, .large: 3, nil: 2])
        #expect(set.categoryCounts == [6, 3, 4, 0] && set.uncategorizedCount == 0)
        #expect(set.batchCount(batchSize: 4) == 4 && set.batchCount(batchSize: 13) == 1)
        #expect(set.unusableImages.isEmpty && set.brokenImages().isEmpty)
    }

    @Test("both area limits are strict")
    func limits() throws {
        let set = try Self.set(minArea: 1024, maxArea: 9216)
        #expect(
            set.dropCounts
                == [
                    .reachesOutsideImage: 3, .sideTooShort: 2, .areaTooSmall: 4, .areaTooLarge: 4,
                ])
        #expect(set.bucketCounts == [.medium: 5])
    }

    @Test("images without size in the file are opened; those that fail drop their boxes")
    func sizesFromHeaders() throws {
        let folder = try TemporaryFolder()
        let boxes = #""category_id": 99, "bbox": [1, 1, 100, 90], "iscrowd": 0"#
        let path = try folder.file(
            "boxes.json",
            """
            {"images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "gone.png"},
            {"id": 3, "file_name": "boxes.json"},
            {"id": 4, "file_name": "c_gray.png", "width": 200, "height": 150}],
            "categories": [{"id": 3, "name": "disc"}],
            "annotations": [{"id": 10, "image_id": 1, \(boxes)}, {"id": 11, "image_id": 2, \(boxes)},
            {"id": 12, "image_id": 2, \(boxes)}, {"id": 13, "image_id": 3, \(boxes)},
            {"id": 14, "image_id": 4, \(boxes)}, {"id": 15, "image_id": 5, \(boxes)}]}
            """)
        let set = try Self.set(path)
        #expect(set.annotations == [0, 4] && set.uncategorizedCount == 2)
        #expect(set.size(ofImage: 0) == Size(height: 150, width: 200))
        #expect(set.dropCounts == [.unusableImage: 3, .unknownImage: 1])
        #expect(set.unusableImages.map(\.image) == [1, 2])
        #expect(set.unusableImages[0].reason.contains("gone.png"))
        #expect(set.unusableImages[1].reason.contains("boxes.json"))
        // The header of the last one contradicts the file.
        let broken = set.brokenImages()
        #expect(broken.map(\.image) == [3])
        #expect(broken[0].reason.contains("131×97") && broken[0].reason.contains("200×150"))
    }

    @Test("a missing images folder is an error at once")
    func missingFolder() throws {
        let expected = FileError.fileSystem(
            path: "/nowhere/images", action: "read the training images", errno: ENOENT)
        #expect(throws: expected) { try Self.set(images: "/nowhere/images") }
        let file = fixture("coco/instances.json")
        #expect(
            throws: FileError.fileSystem(
                path: file, action: "read the training images", errno: ENOTDIR)
        ) { try Self.set(images: file) }
    }
}
