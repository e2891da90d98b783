import Annotations
import Formats
import Foundation
import Imaging
import Testing

/// Datumaro, Supervisely, VIA, CreateML and Open Images.
@Suite struct ToolFormatTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    // MARK: Datumaro

    private func datumaro(_ annotations: String) -> String {
        #"{"dm_format_version": "1.0", "media_type": 2, "infos": {}, "categories": {"label": "#
            + #"{"labels": [{"name": "face", "parent": "", "attributes": []}]}}, "items": [{"id": "#
            + #""p0", "annotations": [\#(annotations)], "attr": {"frame": 0}, "image": "#
            + #"{"path": "p0.jpg", "size": [3, 4]}}]}"#
    }

    @Test("boxes, polygons and masks of Datumaro")
    func datumaroShapes() throws {
        try folder.add(
            "default.json",
            datumaro(
                #"""
                {"id": 4, "type": "bbox", "attributes": {"occluded": true, "score": 0.5},
                 "group": 2, "label_id": 0, "z_order": 1, "bbox": [1.0, 0.0, 2.0, 3.0]},
                {"id": 5, "type": "polygon", "group": 0, "label_id": 0, "points": [0, 0, 4, 0, 4, 3]},
                {"id": 6, "type": "mask", "label_id": 0,
                 "rle": {"counts": "134200000O1", "size": [3, 4]}},
                {"id": 7, "type": "label", "label_id": 0}
                """#.replacingOccurrences(
                    of: "134200000O1",
                    with: String(
                        decoding: RLE(
                            Mask(
                                size: Size(height: 3, width: 4),
                                pixels: [0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0])
                        ).compressed, as: UTF8.self))))
        let file = try folder.load("default.json")
        #expect(file.format == .datumaro)
        #expect(
            lines(file) == ["p0.jpg face 1 0 2 3", "p0.jpg face 0 0 4 3", "p0.jpg face 1 0 2 2"])
        #expect(file.annotations.map(\.id) == [.integer(4), .integer(5), .integer(6)])
        for text in [
            #""group_id": 2"#, #""z_order": 1"#, #""score": 0.5"#, #""occluded": true"#,
        ] { #expect(json(file, 0).contains(text)) }
        #expect(
            folder.warnings(file) == [
                "warning: default.json item 1: annotations[3]: expected bbox, polygon or mask, "
                    + #"found "label", which has no box: it is left out"#
            ])
    }

    @Test("Datumaro goes there and back: ids, masks, attributes")
    func datumaroRoundTrip() throws {
        let scene = try folder.scene()
        try folder.export(scene, .datumaro, "out")
        for path in ["out", "out/annotations/default.json"] {
            let file = try folder.load(path)
            #expect(file.format == .datumaro)
            #expect(file.annotations.map(\.id) == scene.annotations.map(\.id))
            #expect(Set(file.images.map(\.id)) == [.integer(1), .integer(2)])
            #expect(try masks(file) == masks(scene))
            #expect(file.images.map(\.fileName) == ["in/a b.jpg", "c.jpg"])
            #expect(json(file, 0).contains(#""z_order": 2, "group_id": 7, "score": 0.75"#))
            #expect(json(file, 0).contains(#""color": "a & <b>", "size": 3, "occluded": true"#))
        }
    }

    @Test("wrong Datumaro files are told with item and field")
    func brokenDatumaro() throws {
        for (annotation, message) in [
            (
                #"{"type": "bbox", "label_id": 0, "bbox": [1, 2, 3]}"#,
                "bbox: expected [x, y, width, height] in finite numbers, found [1, 2, 3]"
            ),
            (
                #"{"type": "bbox", "label_id": 3, "bbox": [1, 2, 3, 4]}"#,
                "label_id: expected a number below 1, found 3"
            ),
            (
                #"{"type": "mask", "label_id": 0, "rle": {"counts": "1", "size": [2, 2]}}"#,
                "rle: expected size and counts as COCO has them, found "
            ),
        ] {
            try folder.add("x.json", datumaro(annotation))
            #expect(
                folder.failure("x.json").hasPrefix("x.json item 1: annotations[0]." + message))
        }
    }

    // MARK: Supervisely

    private func supervisely(_ objects: String) -> String {
        #"{"description": "", "tags": [], "size": {"height": 10, "width": 12}, "#
            + #""objects": [\#(objects)]}"#
    }

    @Test("rectangles, polygons with holes and bitmaps of Supervisely")
    func superviselyShapes() throws {
        let bitmap = try ImageCodec.encodePNG(
            labels: .bits([0, 1, 1, 1]), size: Size(height: 2, width: 2))
        let data = Data(try #require(Deflate.pack(bitmap))).base64EncodedString()
        try folder.add("set/meta.json", #"{"classes": [{"title": "face"}], "tags": []}"#)
        try folder.add(
            "set/ds0/ann/p0.jpg.json",
            supervisely(
                #"""
                {"id": 1, "classTitle": "face", "geometryType": "rectangle", "tags": [],
                 "points": {"exterior": [[8, 6], [4, 1]], "interior": []}},
                {"id": 2, "classTitle": "cat", "geometryType": "polygon", "description": "d",
                 "points": {"exterior": [[0, 0], [6, 0], [6, 6], [0, 6]],
                            "interior": [[[2, 2], [4, 2], [4, 4], [2, 4]]]}},
                {"id": 3, "classTitle": "cat", "geometryType": "bitmap",
                 "bitmap": {"origin": [9, 7], "data": "\#(data)"}},
                {"id": 4, "classTitle": "cat", "geometryType": "point",
                 "points": {"exterior": [[1, 1]], "interior": []}}
                """#))
        for path in ["set", "set/ds0", "set/ds0/ann", "set/ds0/ann/p0.jpg.json"] {
            let file = try folder.load(path)
            #expect(file.format == .supervisely, "\(path)")
            let name =
                path == "set" ? "ds0/img/p0.jpg" : path == "set/ds0" ? "img/p0.jpg" : "p0.jpg"
            #expect(
                lines(file) == [
                    "\(name) face 4 1 4 5", "\(name) cat 0 0 6 6", "\(name) cat 9 7 2 2",
                ])
            let size = Size(height: 10, width: 12)
            #expect(try file.truth(of: file.annotations[1], imageSize: size)?.area == 32)
            #expect(try file.truth(of: file.annotations[2], imageSize: size)?.area == 3)
            #expect(json(file, 1).contains(#""description": "d""#))
            #expect(folder.warnings(file).count == 1)
        }
    }

    @Test("Supervisely goes there and back: ids and masks")
    func superviselyRoundTrip() throws {
        let scene = try folder.scene()
        try folder.export(scene, .supervisely, "out")
        let file = try folder.load("out")
        #expect(file.format == .supervisely)
        #expect(file.annotations.map(\.id) == scene.annotations.map(\.id))
        #expect(Set(file.images.map(\.id)) == [.integer(1), .integer(2)])
        #expect(try masks(file) == masks(scene))
        #expect(Set(file.images.map(\.fileName)) == ["ds0/img/in/a b.jpg", "ds0/img/c.jpg"])
    }

    @Test("wrong Supervisely files are told with object and field")
    func brokenSupervisely() throws {
        for (object, message) in [
            (#"{"geometryType": "rectangle"}"#, "classTitle: expected a class, found nothing"),
            (
                #"{"classTitle": "c", "geometryType": "rectangle", "points": {"exterior": [[1, 2]]}}"#,
                "points.exterior: expected at least 2 points [x, y] in finite numbers, found [[1, 2]]"
            ),
            (
                #"{"classTitle": "c", "geometryType": "bitmap", "bitmap": {"origin": [1, 2], "#
                    + #""data": "!"}}"#,
                #"bitmap.data: expected a PNG, packed by zlib, in base 64, found "!""#
            ),
            (
                #"{"classTitle": "c", "geometryType": "bitmap", "bitmap": {"origin": "#
                    + #"[-9223372036854775808, 0], "data": "!"}}"#,
                "bitmap.origin: expected [x, y] in whole numbers, found [-9223372036854775808, 0]"
            ),
        ] {
            try folder.add("x.json", supervisely(object))
            #expect(folder.failure("x.json") == "x.json object 1: " + message)
        }
        try folder.add("x.json", #"{"size": {"height": 0, "width": 5}, "objects": []}"#)
        #expect(
            folder.failure("x.json")
                == #"x.json: size: expected height and width in pixels, found {"height": 0, "#
                + #""width": 5}"#)
    }

    // MARK: VIA

    private let via = #"""
        {"p0.jpg9999": {"filename": "p0.jpg", "size": 9999, "regions": [
          {"shape_attributes": {"name": "rect", "x": 40, "y": 16, "width": 80, "height": 96},
           "region_attributes": {"type": "face"}},
          {"shape_attributes": {"name": "polygon", "all_points_x": [10, 30, 30],
             "all_points_y": [10, 10, 30]}, "region_attributes": {"x": "y", "class": {"cat": true}}},
          {"shape_attributes": {"name": "circle", "cx": 50, "cy": 60, "r": 7.5},
           "region_attributes": {"n": 3}},
          {"shape_attributes": {"name": "point", "cx": 1, "cy": 1}, "region_attributes": {"n": 3}}],
          "file_attributes": {}}}
        """#

    @Test("VIA's regions, alone and in a project, of version 1 and 2")
    func viaJSON() throws {
        try folder.add("images/p0.jpg", pngHeader(width: 160, height: 160))
        try folder.add("via.json", via)
        try folder.add(
            "project.json", #"{"_via_settings": {}, "_via_img_metadata": \#(via)}"#)
        for name in ["via.json", "project.json"] {
            let file = try folder.load(name, images: "images")
            #expect(file.format == .via)
            #expect(
                lines(file) == [
                    "p0.jpg face 40 16 80 96", "p0.jpg cat 10 10 20 20", "p0.jpg 3 42.5 52.5 15 15",
                ])
            #expect(file.images[0].size == Size(height: 160, width: 160))
            #expect(folder.warnings(file).count == 1)
        }
        try folder.add(
            "old.json",
            #"{"a": {"filename": "a.jpg", "regions": {"0": {"shape_attributes": {"name": "rect", "#
                + #""x": 1, "y": 2, "width": 3, "height": 4}, "region_attributes": {"c": "d"}}}}}"#)
        #expect(lines(try folder.load("old.json")) == ["a.jpg d 1 2 3 4"])
        try folder.add("x.json", via.replacingOccurrences(of: #""type": "face""#, with: ""))
        #expect(
            folder.failure("x.json").hasPrefix(
                "x.json image 1: regions[0].region_attributes: expected one attribute, or one of "
                    + "type, class, label, name, category, object with a text, found none"))
    }

    @Test("VIA's table")
    func viaCSV() throws {
        let header =
            "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
            + "region_attributes\n"
        try folder.add(
            "via.csv",
            header
                + #"p0.jpg,9999,"{}",1,0,"{""name"":""rect"",""x"":40,""y"":16,""width"":80,"#
                + #"""height"":96}","{""type"":""face""}""# + "\n"
                + #"q.jpg,9,"{}",0,0,"{}","{}""# + "\n")
        let file = try folder.load("via.csv")
        #expect(file.format == .via)
        #expect(lines(file) == ["p0.jpg face 40 16 80 96"])
        #expect(file.images.map(\.fileName) == ["p0.jpg", "q.jpg"])
        try folder.add("via.csv", header + #"p.jpg,9,"{}",1,0,"{""name"":","{}""# + "\n")
        #expect(folder.failure("via.csv").hasPrefix("via.csv line 2: region_shape_attributes"))
    }

    // MARK: CreateML and Open Images

    @Test("CreateML's boxes are told by their middle")
    func createML() throws {
        try folder.add(
            "c.json",
            #"[{"image": "p0.jpg", "annotations": [{"label": "face", "coordinates": {"x": 80, "#
                + #""y": 64, "width": 80, "height": 96}}]}, {"image": "b.jpg", "annotations": []}]"#
        )
        let file = try folder.load("c.json")
        #expect(file.format == .createML)
        #expect(lines(file) == ["p0.jpg face 40 16 80 96"])
        #expect(file.images.count == 2)
        try folder.add(
            "c.json", #"[{"image": "p", "annotations": [{"label": "f", "coordinates": {"x": 1}}]}]"#
        )
        #expect(
            folder.failure("c.json")
                == "c.json image 1: annotations[0].coordinates: expected x, y, width and height in "
                + #"finite numbers, found {"x": 1}"#)
    }

    @Test("Open Images' boxes are shares, XMin, XMax, YMin, YMax; masks are stretched")
    func openImages() throws {
        try folder.add("images/0a.jpg", pngHeader(width: 160, height: 160))
        let header =
            "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf\n"
        try folder.add(
            "b.csv",
            header + "0a,xclick,/m/01g317,1,0.25,0.75,0.1,0.7,0,1\n")
        let file = try folder.load("b.csv", images: "images")
        #expect(file.format == .openImages)
        #expect(lines(file) == ["0a.jpg /m/01g317 40 16 80 96"])
        #expect(json(file, 0).contains(#""IsOccluded": 0, "IsGroupOf": 1, "score": 1.0"#))
        #expect(file.annotations[0].isCrowd)
        #expect(
            folder.failure("b.csv")
                == "b.csv line 2: ImageID: expected an image that tells the sides that boxes are "
                + #"shares of (--images), found no "0a.jpg""#)

        try folder.add("class-descriptions-boxable.csv", "/m/01g317,Person\n")
        try folder.add(
            "0a_1.png",
            try ImageCodec.encodePNG(
                labels: .bits([1, 0, 0, 0]), size: Size(height: 2, width: 2)))
        try folder.add(
            "m.csv",
            "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks\n"
                + "0a_1.png,0a,/m/01g317,ab,0,0.5,0,0.5,0.8,\n")
        let masks = try folder.load("m.csv", images: "images")
        #expect(masks.format == .openImages)
        #expect(lines(masks) == ["0a.jpg Person 0 0 80 80"])
        #expect(json(masks, 0).contains(#""box_id": "ab", "predicted_iou": 0.8"#))
        try folder.add("b.csv", header + "0a,x,/m/1,1,a,0.75,0.1,0.7,0,1\n")
        #expect(
            folder.failure("b.csv", images: "images")
                == #"b.csv line 2: XMin, XMax, YMin, YMax: expected finite numbers, found "a, "#
                + #"0.75, 0.1, 0.7""#)
    }
}
