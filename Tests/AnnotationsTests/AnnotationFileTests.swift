import Annotations
import Foundation
import Imaging
import Testing
import TestSupport

@Suite struct AnnotationFileTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    @Test("the fixture's records are read with their values")
    func fixtureFile() throws {
        let file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        #expect(file.images.map(\.id) == [11, 25, 7, 42])
        #expect(file.images[2].fileName == "c_gray.png")
        #expect(file.images[2].size == Size(height: 97, width: 131))
        #expect(file.categories.map(\.id) == [3, 7, 12, 90])
        #expect(file.annotations.count == 18)
        let first = file.annotations[0]
        #expect(first.id == 1007)
        #expect(first.imageID == 11 && first.imageIndex == 0)
        #expect(first.categoryIndex == 0 && first.compactCategoryID == 1)
        #expect(first.box == Box(minX: 22, minY: 40, maxX: 98, maxY: 100))
        #expect(file.text(first.range).hasPrefix("{\"id\": 1007"))
        #expect(file.areaRangeText(first) == "3540.0")
    }

    @Test("ids may be texts, large or spelled as floats; keys may be escaped; order is free")
    func unusualSpellings() throws {
        let file = try folder.read(
            #"""
            {"annotations": [{"\u0069d": 123456789012345678901234567890, "image_id": 1.0,
               "bbox": [0, 0, 5, 5], "extra": {"id": [1, {"id": 2}]}},
              {"id": "a\"\u00e9", "image_id": "\u0062", "bbox": [1e0, 1, 2.50, 2], "iscrowd": true}],
             "more": [[], {}], "images": [{"id": 1, "file_name": "x/\u00fc.jpg"},
               {"file_name": "b.jpg", "id": "b", "width": 4, "height": 4}], "categories": []}
            """#)
        #expect(file.annotations[0].id == .large("123456789012345678901234567890"))
        #expect(file.annotations[0].imageIndex == 0)
        #expect(file.annotations[1].id == .text("a\"é"))
        #expect(file.annotations[1].imageIndex == 1)
        #expect(file.annotations[1].isCrowd)
        #expect(file.images[0].fileName == "x/ü.jpg")
        #expect(file.images[0].size == nil)
    }

    @Test("a mask without a box finds its image where ids are texts there and numbers here")
    func boxOfMask() throws {
        let file = try folder.read(
            #"""
            {"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}], "categories": [],
             "annotations": [{"id": 1, "image_id": "1", "segmentation": [[1, 2, 5, 2, 5, 6]]}]}
            """#)
        let annotation = file.annotations[0]
        #expect([annotation.x, annotation.y, annotation.width, annotation.height] == [2, 2, 3, 3])
        #expect(file.problems.notes.filter { $0.hasPrefix("1 ids of images") }.count == 1)
    }

    @Test("boxes that can't be labelled stay, with a reason")
    func obstacles() throws {
        let file = try folder.read(
            document(
                annotations: #"""
                    {"id": 1, "image_id": 1, "category_id": 3, "bbox": [2, 2, 3, 3]},
                    {"id": 2, "image_id": 1, "category_id": 3, "bbox": [2, 2, 0, 3]},
                    {"id": 3, "image_id": 1, "category_id": 3, "bbox": [2, 2, -1, 3]},
                    {"id": 4, "image_id": 1, "category_id": 3, "bbox": [20, 2, 3, 3]},
                    {"id": 5, "image_id": 9, "category_id": 3, "bbox": [2, 2, 3, 3]},
                    {"id": 6, "image_id": 1, "category_id": 3, "bbox": [8, -2, 9, 3]},
                    {"id": 6, "image_id": 1, "category_id": 4, "bbox": [1e17, 0, 1, 1]}
                    """#))
        #expect(file.annotations[5].isClipped)
        #expect(!file.annotations[0].isClipped)
        let reasons = file.obstacles.map { "\($0.annotation) \($0.reason)" }
        #expect(
            reasons == [
                "1 the box has no area", "2 the box has no area",
                "3 the box lies outside the image",
                "4 there is no image with this image_id", "6 the box has no area",
            ])
        #expect(
            file.problems.summary() == """
                warning: \(file.path): annotation 2: bbox: expected a width and height above 0, \
                found [2.0, 2.0, 0.0, 3.0] (kept without a mask)
                warning: \(file.path): annotation 3: bbox: expected a width and height above 0, \
                found [2.0, 2.0, -1.0, 3.0] (kept without a mask)
                warning: \(file.path): annotation 4: bbox: expected a box that meets its 10×8 image, \
                found [20.0, 2.0, 3.0, 3.0] (kept without a mask)
                warning: \(file.path): annotation 5: image_id: expected the id of an image, \
                found 9 (kept without a mask)
                warning: \(file.path): annotation 6: bbox: expected a box inside its 10×8 image, \
                found [8.0, -2.0, 9.0, 3.0] (clipped)
                warning: \(file.path): annotation 6: id: expected an id of its own, \
                found that of an earlier annotation
                warning: \(file.path): annotation 6: category_id: expected the id of a category, \
                found 4
                warning: \(file.path): annotation 6: bbox: expected a width and height above 0, \
                found [1e+17, 0.0, 1.0, 1.0] (kept without a mask)
                warning: \(file.path): bbox: expected boxes inside their images, found 3 of 7 (42 %) \
                over the edge: a wrong image size, or images that were cut or scaled?
                """)
    }

    @Test("each spelling of a number is the double next to it")
    func numbers() throws {
        var spellings = [
            "0", "-0", "-0.0", "0.1", "9007199254740992", "9007199254740993", "9007199254740991.5",
            "0.000000000000000001", "0.0000000000000000001", "1234567890123456789",
            "1.7976931348623157e308",
            "5e-324", "1e-400", "2.5E+2", "0.30000000000000004",
            "0." + String(repeating: "3", count: 90),
        ]
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<5000 {
            let digits = String(generator.next()).prefix(Int.random(in: 1...19, using: &generator))
            let point = Int.random(in: 1...19, using: &generator)
            spellings.append(
                point < digits.count
                    ? "\(digits.prefix(point)).\(digits.dropFirst(point))" : "\(digits)")
        }
        spellings.removeAll { $0.count > 1 && $0.hasPrefix("0") && !$0.hasPrefix("0.") }
        let file = try folder.read(
            document(
                annotations: spellings.enumerated().map { number, text in
                    #"{"id": \#(number), "image_id": 1, "bbox": [\#(text), -\#(text.drop { $0 == "-" }), 1, 1]}"#
                }.joined(separator: ",")))
        for (annotation, text) in zip(file.annotations, spellings) {
            let expected = try #require(Double(text))
            #expect(annotation.box.minX.bitPattern == expected.bitPattern, "\(text)")
            #expect(annotation.box.minY.bitPattern == (-expected.magnitude).bitPattern, "-\(text)")
        }
    }

    @Test("images know their annotations")
    func index() throws {
        let file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        let index = AnnotationIndex(file)
        #expect(index.count == 18)
        for image in file.images {
            let expected = file.annotations.filter { $0.imageID == image.id }.map(\.index)
            #expect(index[image: image.index] == expected)
        }
        #expect(AnnotationIndex(file) { $0.index == 0 }[image: 0] == [0])
    }

    @Test("many findings are counted, the first ones are printed")
    func longList() throws {
        let broken = (0..<3000).map { #"{"id": \#($0), "image_id": 1, "bbox": [1, 2, 3]}"# }
        let text = document(annotations: broken.joined(separator: ","))
        let path = try folder.write(text)
        let error = #expect(throws: AnnotationError.self) { try AnnotationFile.read(path: path) }
        guard case .invalid(let problems) = error else {
            Issue.record("another error: \(String(describing: error))")
            return
        }
        #expect(problems.errorCount == 3000)
        let lines = problems.summary(limit: 2).split(separator: "\n")
        #expect(
            lines == [
                "\(path): annotation 0: bbox: expected 4 finite numbers, found [1, 2, 3]",
                "\(path): annotation 1: bbox: expected 4 finite numbers, found [1, 2, 3]",
                "… and 2998 more",
            ])
    }

    @Test("the reference's filter keeps what it keeps")
    func taoFilter() throws {
        let file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        let kept = file.annotations.filter { TAOFilter.validation.keeps($0, in: file) }
        #expect(kept.allSatisfy { $0.id != .integer(5000) } && kept.count == 13)
        let limited = TAOFilter(minArea: 1024, maxArea: 9216)
        #expect(
            file.annotations.filter { limited.keeps($0, in: file) }
                .allSatisfy { $0.box.area > 1024 && $0.box.area < 9216 })
    }
}

extension AnnotationFile {
    fileprivate func areaRangeText(_ annotation: AnnotationRecord) -> String? {
        annotation.areaRange.map { text($0) }
    }
}
