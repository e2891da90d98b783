import Annotations
import Formats
import Foundation
import Imaging
import Testing

@Suite struct CVATFormatTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    private func document(_ images: String) -> String {
        """
        <?xml version="1.0" encoding="utf-8"?>
        <annotations>
          <version>1.1</version>
          <meta><task><id>5</id><name>t</name><labels>
            <label><name>face</name><color>#ff0000</color><attributes></attributes></label>
            <label><name>cat</name><attributes><attribute><name>x</name></attribute></attributes>
            </label></labels></task></meta>
        \(images)
        </annotations>
        """
    }

    @Test("boxes, turned boxes, polygons and masks of CVAT for images 1.1")
    func shapes() throws {
        try folder.add(
            "annotations.xml",
            document(
                """
                <image id="0" name="p0.jpg" width="160" height="160">
                <box label="face" source="manual" occluded="0" xtl="40.00" ytl="16.00" \
                xbr="120.00" ybr="112.00" z_order="0"></box>
                <mask label="face" source="semi-auto" occluded="1" rle="1, 3, 2, 3" left="10" \
                top="20" width="3" height="3" z_order="1"><attribute name="a">b &amp; c</attribute>\
                </mask>
                <box label="cat" occluded="0" xtl="10" ytl="20" xbr="30" ybr="30" rotation="90" \
                group_id="4"/>
                <polygon label="cat" points="1.5,2;9,2;9,8" occluded="0"/>
                <ellipse label="cat" cx="50" cy="60" rx="10" ry="5" occluded="0"/>
                <polyline label="cat" points="1,2;3,4"/>
                </image>
                <image id="1" name="q.jpg" width="20" height="10"/>
                """))
        let file = try folder.load("annotations.xml")
        #expect(file.format == .cvat)
        #expect(
            lines(file) == [
                "p0.jpg face 40 16 80 96", "p0.jpg face 10 20 3 3", "p0.jpg cat 15 15 10 20",
                "p0.jpg cat 1.5 2 7.5 6", "p0.jpg cat 40 55 20 10",
            ])
        #expect(file.images.map(\.fileName) == ["p0.jpg", "q.jpg"])
        #expect(file.categories.map(\.name) == ["face", "cat"])
        let mask = try #require(
            try file.truth(of: file.annotations[1], imageSize: Size(height: 160, width: 160)))
        // Rows 011, 100, 111 of a box at (10, 20).
        #expect(mask.area == 6)
        #expect(
            mask.pixels(in: CropWindow(minX: 10, minY: 20, maxX: 13, maxY: 23)) == [
                0, 1, 1, 1, 0, 0, 1, 1, 1,
            ])
        for text in [
            #""occluded": 1"#, #""z_order": 1"#, #""source": "semi-auto""#,
            #""attributes": {"a": "b & c"}"#,
        ] { #expect(json(file, 1).contains(text)) }
        #expect(json(file, 2).contains(#""group_id": 4"#))
        #expect(
            try file.segmentation(of: file.annotations[2])
                == .polygons([[25, 15, 25, 35, 15, 35, 15, 15]]))
        #expect(
            folder.warnings(file) == [
                "warning: annotations.xml line 14: expected box, polygon, ellipse or mask, found "
                    + "polyline, which has no box: it is left out"
            ])
        // What the archive unpacks to.
        #expect(try folder.load("").format == .cvat)
    }

    @Test("what is written comes back: masks to the pixel, attributes, order and groups")
    func roundTrip() throws {
        let scene = try folder.scene()
        let report = try folder.export(scene, .cvat, "out.xml")
        #expect(report.writtenCount == 3)
        let file = try folder.load("out.xml")
        #expect(file.format == .cvat)
        #expect(
            lines(file) == [
                #"in/a b.jpg ca"t 1 1 3 3"#, "in/a b.jpg big dog 6 2 5 8",
                #"in/a b.jpg ca"t 0.5 7.25 3 2"#,
            ])
        #expect(try masks(file) == masks(scene))
        #expect(file.images.map(\.fileName) == ["in/a b.jpg", "c.jpg"])
        #expect(
            json(file, 0).contains(
                #""occluded": 1, "z_order": 2, "group_id": 7, "source": "auto", "#
                    + #""attributes": {"color": "a & <b>", "size": "3"}"#))
        let text = try text(of: folder.path + "/out.xml")
        #expect(text.contains(#"<polygon label="ca&quot;t""#))
        #expect(text.contains(#"rle="0, 3, 2, 1, 1, 1, 2, 3, 26, 1" left="6" top="2" "#))
    }

    @Test("wrong files are told with line and field")
    func broken() throws {
        let image = #"<image id="0" name="a.jpg" width="16" height="16">"#
        for (content, message) in [
            (
                image + #"<box label="f" xtl="a" ytl="1" xbr="2" ybr="2"/></image>"#,
                #"x.xml line 8: xtl: expected a finite number, found "a""#
            ),
            (
                image + #"<box xtl="1" ytl="1" xbr="2" ybr="2"/></image>"#,
                "x.xml line 8: label: expected a label, found nothing"
            ),
            (
                image + #"<polygon label="f" points="1,2;3"/></image>"#,
                #"x.xml line 8: points: expected x,y;x,y;… in finite numbers, found "3""#
            ),
            (
                image
                    + #"<mask label="f" rle="1,9" left="0" top="0" width="3" height="3"/></image>"#,
                #"x.xml line 8: rle: expected run lengths of at most 9 pixels in all, found "9""#
            ),
            (
                image + #"<mask label="f" rle="1" left="0" top="0" width="99999999" height="99"/>"#
                    + "</image>",
                "x.xml line 8: width, height: expected a box of up to 200000000 pixels, found "
                    + "99999999×99"
            ),
            (
                image + #"<mask label="f" rle="4" left="-9223372036854775808" top="0" width="2" "#
                    + #"height="2"/></image>"#,
                "x.xml line 8: left, top: expected whole numbers below 2147483648, found "
                    + "-9223372036854775808, 0"
            ),
            (
                #"<image id="0" name="a.jpg" width="x" height="16"></image>"#,
                "x.xml line 8: width, height: expected whole numbers of pixels above 0, found "
                    + #""x, 16""#
            ),
            (
                image + "</image>" + image + "</image>",
                #"x.xml line 8: image: expected an image of its own, found "a.jpg", which x.xml "#
                    + "line 8 is about"
            ),
            (
                #"<track id="0" label="f"></track>"#,
                "x.xml line 8: expected CVAT for images 1.1, found <track>, as CVAT for video has "
                    + "it: export the task as images"
            ),
            ("<image", "x.xml line 9: expected well-formed XML, found a broken tag"),
        ] {
            try folder.add("x.xml", document(content))
            #expect(folder.failure("x.xml") == message)
        }
    }

    @Test("long tags are read; very many attributes and nested elements are refused")
    func limits() throws {
        let points = (0..<100_000).map { "\($0 % 1000).25,\($0 / 1000).5" }.joined(separator: ";")
        let image = #"<image id="0" name="a.jpg" width="1600" height="1600">"#
        try folder.add(
            "x.xml", document(image + #"<polygon label="f" points="\#(points)"/></image>"#))
        #expect(try folder.load("x.xml").annotations.count == 1)
        let attributes = (0..<300).map { "a\($0)='1' " }.joined()
        try folder.add("x.xml", document(image + "<box \(attributes)/></image>"))
        #expect(
            folder.failure("x.xml")
                == "x.xml line 8: expected at most 256 attributes, found an element with more")
        try folder.add(
            "x.xml", document(String(repeating: "<a>", count: 100)))
        #expect(folder.failure("x.xml").contains("expected at most 64 elements inside each other"))
        try folder.add("x.xml", "<!-- <a \" --><!DOCTYPE a><annotations></annotations>")
        #expect(folder.failure("x.xml").contains("expected XML without a document type"))
    }
}
