import Annotations
import Foundation
import Imaging
import Testing
import TestSupport

@Suite struct TAOWriterTests {
    private struct Output: Decodable {
        struct Entry: Decodable {
            struct Mask: Decodable {
                let size: [Int]
                let counts: String
            }
            let id: Int64
            let segmentation: Mask
            let iou: Double?
        }
        let annotations: [Entry]
    }

    @Test(
        "the reference's own masks give the reference's file, byte for byte",
        arguments: ["inference_load_mask_True.json", "inference_load_mask_False.json"])
    func fixtures(name: String) throws {
        let folder = try TestFolder()
        let file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        let entries = try decode(Output.self, name).annotations
        let path = folder.path + "/tao.json"
        try TAOWriter(file).write(to: path) { place in
            let entry = try #require(
                entries.first { file.annotations[place].id == .integer($0.id) })
            let size = Size(
                height: entry.segmentation.size[0], width: entry.segmentation.size[1])
            let mask = try RLE(size: size, compressed: entry.segmentation.counts)
            let truth = try #require(try file.truth(of: file.annotations[place], imageSize: size))
            let iou = entry.iou == nil ? nil : mask.referenceIoU(with: truth)
            return TAOWriter.Prediction(AnnotationResult(mask), iou: iou)
        }
        #expect(try text(of: path) == text(of: fixture(name)))
    }

    @Test("everything else is spelled as Python spells it after reading")
    func pythonSpelling() throws {
        let folder = try TestFolder()
        let file = try folder.read(
            #"""
            {"info":{"a":1.50,"b":-0,"c":1E5,"d":1e400,"e":"é\/\ud800😀\u007f","a":[1,{}, [] ],"f":null},
             "images":[{"id":"i","file_name":"a.jpg","width":10,"height":8}], "z": 1e-7, "y": 1e16,
             "annotations":[{"id":1.0,"image_id":"i","category_id":3,"bbox":[1.1,1,3.3,4]},
               {"id":1.0,"image_id":"i","category_id":3,"bbox":[1,1,3,4]},
               {"id":2,"image_id":"i","category_id":3,"bbox":[1,1,2,4]},
               {"id":3,"image_id":"i","category_id":3,"bbox":[-1,1,4,4]},
               {"id":4,"image_id":"i","category_id":3,"bbox":[0,0,10,8]}]}
            """#)
        let path = folder.path + "/tao.json"
        let mask = try RLE(size: Size(height: 8, width: 10), counts: [3, 4, 73])
        try TAOWriter(file).write(to: path) { place in
            place == 4 ? nil : TAOWriter.Prediction(AnnotationResult(mask), score: 0.5)
        }
        #expect(
            try text(of: path)
                == #"{"info": {"a": [1, {}, []], "b": 0, "c": 100000.0, "d": Infinity, "#
                + "\"e\": \"\\u00e9/\\ud800\\ud83d\\ude00\u{7f}\", \"f\": null}, "
                + #""images": [{"id": "i", "file_name": "a.jpg", "width": 10, "height": 8}], "#
                + #""z": 1e-07, "y": 1e+16, "annotations": [{"bbox": [1.100000023841858, 1.0, "#
                + #"3.3000001907348633, 4.0], "id": 1.0, "category_id": 3, "segmentation": "#
                + #"{"size": [8, 10], "counts": "34Y2"}, "iscrowd": 0, "area": 13.200000762939453, "#
                + #""image_id": "i", "score": 0.5}]}"#)
    }
}
