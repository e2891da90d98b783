import Annotations
import Foundation
import Imaging
import Testing
import TestSupport

@Suite struct SegmentationTests {
    @Test("the fixture's masks have the areas that it states, in every encoding")
    func areas() throws {
        let file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        #expect(file.checkSegmentations().isEmpty)
        for annotation in file.annotations.prefix(13) {
            let size = try #require(annotation.imageIndex.flatMap { file.images[$0].size })
            let mask = try #require(try file.truth(of: annotation, imageSize: size))
            let area = try #require(annotation.areaRange.flatMap { Double(file.text($0)) })
            #expect(Double(mask.area) == area, "\(annotation.id)")
        }
    }

    @Test("absent, null and empty are no mask; required, they are an error")
    func none() throws {
        let folder = try TestFolder()
        let values = [#""#, #", "segmentation": null"#, #", "segmentation": []"#]
        let records = values.enumerated().map {
            #"{"id": \#($0), "image_id": 1, "category_id": 3, "bbox": [1, 1, 3, 3]\#($1)}"#
        }
        let file = try folder.read(document(annotations: records.joined(separator: ",")))
        #expect(try file.annotations.allSatisfy { try file.segmentation(of: $0) == .none })
        #expect(file.checkSegmentations().isEmpty)
        let required = file.checkSegmentations(isRequired: true)
        #expect(required.errorCount == 3)
        #expect(
            required.summary(limit: 1).hasPrefix(
                "\(file.path): annotation 0: segmentation: expected a mask, found nothing"))
    }

    @Test(
        "wrong masks are named",
        arguments: [
            (#"[[1, 2, 3]]"#, "polygon 0 has 3 numbers, not an even count from 6"),
            (
                #"[[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7]]"#,
                "polygon 1 has 7 numbers, not an even count from 6"
            ),
            (#"[[]]"#, "polygon 0 has 0 numbers, not an even count from 6"),
            (#"[1, 2, 3, 4, 5, 6]"#, "polygon 0 is not a list of numbers"),
            (#"[[1, 2, "3", 4, 5, 6]]"#, "polygon 0 holds something that is no number"),
            (
                #"[[1, 2, 1e999, 4, 5, 6]]"#,
                "a polygon's coordinate is inf, outside ±100000000"
            ),
            (#""S1""#, "value is neither a list of polygons nor an RLE object"),
            (#"17"#, "value is neither a list of polygons nor an RLE object"),
            (#"{"size": [8, 10]}"#, "object lacks counts"),
            (#"{"counts": "S1"}"#, "object lacks size"),
            (#"{"size": [8], "counts": "S1"}"#, "size is not [height, width] in whole pixels"),
            (
                #"{"size": [8, 10.5], "counts": "S1"}"#,
                "size is not [height, width] in whole pixels"
            ),
            (
                #"{"size": [8, 10], "counts": 17}"#,
                "counts are neither a string nor a list of numbers"
            ),
            (
                #"{"size": [8, 10], "counts": [79]}"#,
                "run counts sum to 79, size [8, 10] needs 80"
            ),
            (#"{"size": [8, 10], "counts": [90, -10]}"#, "run 1 is -10.0, outside 0…4294967295"),
            (#"{"size": [8, 10], "counts": [80.5]}"#, "run 0 is 80.5, outside 0…4294967295"),
            (
                #"{"size": [8, 10], "counts": "\u4e2d"}"#,
                "counts hold the byte 255, which no RLE string has"
            ),
            (#"{"size": [8, 10], "counts": "S1"}"#, "run counts sum to 35, size [8, 10] needs 80"),
            (
                #"{"size": [1000000000, 1000000000], "counts": [4294967295, 4294967295]}"#,
                "size [1000000000, 1000000000] is negative or above 4294967295 pixels"
            ),
            (
                #"{"size": [1e300, 2], "counts": [4]}"#,
                "size is not [height, width] in whole pixels"
            ),
            (
                #"{"size": [-8, -10], "counts": [80]}"#,
                "size [-8, -10] is negative or above 4294967295 pixels"
            ),
        ])
    func wrong(value: String, message: String) throws {
        let folder = try TestFolder()
        let file = try folder.read(
            document(
                annotations: #"""
                    {"id": 4, "image_id": 1, "category_id": 3, "bbox": [1, 1, 3, 3],
                     "segmentation": \#(value)}
                    """#))
        #expect(
            file.checkSegmentations().summary()
                == "\(file.path): annotation 4: segmentation: expected a COCO mask, "
                + "found one whose \(message)")
    }

    @Test("a mask of another size than its image is named")
    func otherSize() throws {
        let folder = try TestFolder()
        let file = try folder.read(
            document(
                annotations: #"""
                    {"id": 4, "image_id": 1, "category_id": 3, "bbox": [1, 1, 3, 3],
                     "segmentation": {"size": [10, 8], "counts": [80]}}
                    """#))
        #expect(
            file.checkSegmentations().summary()
                == "\(file.path): annotation 4: segmentation: expected the size of its image, "
                + "[8, 10], found [10, 8]")
    }
}
