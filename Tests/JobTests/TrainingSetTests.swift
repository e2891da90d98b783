import Annotations
import Files
import Foundation
import Imaging
import MaskModel
import Specs
import Testing
import TestSupport
import Training

@Suite struct TrainingSetTests {
    static func set(
        _ path: String = fixture("coco/instances.json"), images: String = fixture("coco/images"),
        minArea: Double = 0, maxArea: Double = 1e10, masks: TrainSpec.MaskSupervision = .none
    ) throws -> TrainingSet {
        try TrainingSet(
            file: try AnnotationFile.read(path: path), imagesDirectory: images,
            filter: TAOFilter(minArea: minArea, maxArea: maxArea), decoding: DecodeOptions(),
            masks: masks)
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

    /// Annotations of a.png, 200 × 150; each a review and a mask.
    static func reviewed(in folder: TemporaryFolder, _ records: [String]) throws -> String {
        let annotations = records.enumerated().map {
            "{\"id\": \($0 + 1), \"image_id\": 1, \"bbox\": [20, 30, 100, 90], \($1)}"
        }
        return try folder.file(
            "reviewed.json",
            """
            {"images": [{"id": 1, "file_name": "a.png"}], "categories": [],
            "annotations": [\(annotations.joined(separator: ",\n"))]}
            """)
    }

    static let accepted = #""review": {"state": "accepted", "by": "me", "seconds": 2.5}"#
    static let polygon = #""segmentation": [[20, 30, 120, 30, 120, 120]]"#

    @Test("masks are of accepted objects, or of all that have one; never of none by itself")
    func masks() throws {
        let folder = try TemporaryFolder()
        let rle = #""segmentation": {"size": [150, 200], "counts": "#
        let path = try Self.reviewed(
            in: folder,
            [
                Self.accepted + ", " + Self.polygon,
                #""review": {"state": "rejected"}, "# + Self.polygon,
                Self.polygon, Self.accepted,
                // Without a pixel, then with one.
                Self.accepted + ", \(rle)[30000]}", Self.accepted + ", \(rle)[4530, 1, 25469]}",
                Self.accepted + #", "segmentation": []"#,
                #""review": "accepted", "# + Self.polygon,
                #""review": {"state": ["accepted"]}, "# + Self.polygon,
                #""review": {"state": "pending"}, "# + Self.polygon,
            ])
        #expect(try Self.set(path).maskedAnnotations.isEmpty)
        #expect(try Self.set(path, masks: .reviewed).maskedAnnotations == [0, 5])
        #expect(try Self.set(path, masks: .all).maskedAnnotations == [0, 1, 2, 5, 7, 8, 9])
    }

    @Test("a mask of another size than its image, or that is none, is refused by name")
    func wrongMasks() throws {
        let folder = try TemporaryFolder()
        let path = try Self.reviewed(
            in: folder,
            [
                Self.accepted + #", "segmentation": {"size": [200, 150], "counts": [30000]}"#,
                #""segmentation": {"size": [200, 150], "counts": [30000]}"#,
                Self.accepted + #", "segmentation": [[1, 2, 3]]"#,
            ])
        #expect(try Self.set(path).count == 3)
        let error = #expect(throws: AnnotationError.self) {
            try Self.set(path, masks: .reviewed)
        }
        let lines = "\(try #require(error))".components(separatedBy: "\n")
        try #require(lines.count == 2)
        #expect(
            lines[0] == "\(path): annotation 1: segmentation: expected the size of its image, "
                + "[150, 200], found [200, 150]")
        #expect(lines[1].hasPrefix("\(path): annotation 3: segmentation: expected a COCO mask"))
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
