import Annotations
import Formats
import Foundation
import Imaging
import Testing

/// Pascal VOC and LabelMe.
@Suite struct FileAnImageTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    // MARK: Pascal VOC

    private func voc(_ objects: String, name: String = "a.jpg") -> String {
        """
        <?xml version="1.0"?>
        <annotation>
          <folder>VOC</folder><filename>\(name)</filename>
          <size><width>500</width><height>375</height><depth>3</depth></size>
        \(objects)
        </annotation>
        """
    }

    private func object(_ name: String, _ corners: [String], _ more: String = "") -> String {
        let keys = ["xmin", "ymin", "xmax", "ymax"]
        let box = zip(keys, corners).map { "<\($0)>\($1)</\($0)>" }.joined()
        return "<object><name>\(name)</name>\(more)<bndbox>\(box)</bndbox></object>"
    }

    @Test("VOC's corners count from 1 and both belong to the box")
    func vocBoxes() throws {
        let part = "<part><name>head</name><bndbox><xmin>9</xmin></bndbox></part>"
        try folder.add(
            "VOC/Annotations/a.xml",
            voc(
                object("dog", ["48", "240", "195", "371"], "<difficult>1</difficult>" + part) + "\n"
                    + object("a &amp; b", ["8.5", "12", "352", "498"], "<pose>Left</pose>")))
        for path in ["VOC", "VOC/Annotations", "VOC/Annotations/a.xml"] {
            let file = try folder.load(path)
            #expect(file.format == .voc)
            #expect(lines(file) == ["a.jpg dog 47 239 148 132", "a.jpg a & b 7.5 11 344.5 487"])
            #expect(file.images[0].size == Size(height: 375, width: 500))
            #expect(file.text(file.annotations[0].range).contains(#""difficult": 1"#))
            #expect(file.text(file.annotations[1].range).contains(#""pose": "Left""#))
            // Sorted by name, whichever object comes first.
            #expect(file.categories.map(\.name) == ["a & b", "dog"])
        }
    }

    @Test("a data set with a corner below 1 counts from 0")
    func vocFromZero() throws {
        try folder.add("x/a.xml", voc(object("dog", ["0", "240", "195", "371"])))
        try folder.add("x/b.xml", voc(object("dog", ["10", "20", "30", "40"]), name: "b.jpg"))
        #expect(
            lines(try folder.load("x")) == ["a.jpg dog 0 240 195 131", "b.jpg dog 10 20 20 20"])
    }

    @Test("an image that was renamed is found by the XML file's name")
    func vocNames() throws {
        try folder.add("x/new.xml", voc(object("dog", ["5", "6", "7", "8"]), name: "old.png"))
        try folder.add("images/new.png", pngHeader(width: 20, height: 10))
        let file = try folder.load("x", images: "images")
        #expect(file.images[0].fileName == "new.png")
        // An image of another size than the file says is found out when it is opened.
        #expect(file.images[0].size == Size(height: 375, width: 500))
    }

    @Test("texts in CDATA sections are texts")
    func vocCDATA() throws {
        try folder.add(
            "x/a.xml",
            voc(object("<![CDATA[cat & dog]]>", ["5", "6", "7", "8"]), name: "<![CDATA[b.png]]>"))
        #expect(lines(try folder.load("x")) == ["b.png cat & dog 4 5 3 3"])
    }

    @Test("every wrong file and object is named with its line")
    func brokenVOC() throws {
        try folder.add("x/a.xml", voc(object("", ["1", "2", "3", "4"])))
        try folder.add("x/b.xml", voc(object("d", ["1", "NaN", "3"]), name: "b.jpg"))
        try folder.add("x/c.xml", "<annotation>\n<object>\n</annotation>")
        try folder.add("x/d.xml", "<html/>")
        try folder.add(
            "x/e.xml", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>")
        try folder.add("x/f.xml", voc("", name: "../../etc/passwd"))
        try folder.add("x/g.xml", voc("", name: "b.jpg"))
        try folder.add("x/h.xml", "")
        try folder.add("x/i.xml", voc("").replacingOccurrences(of: ">500<", with: ">-5<"))
        #expect(
            folder.failure("x") == """
                x/a.xml line 5: name: expected a class name, found nothing
                x/b.xml line 5: bndbox/ymin: expected a finite number, found "NaN"
                x/b.xml line 5: bndbox/ymax: expected a finite number, found nothing
                x/c.xml line 3: expected well-formed XML, found an end tag that is not its start \
                tag's
                x/d.xml line 1: expected the element <annotation>, found <html>
                x/e.xml line 1: expected XML without a document type and entities, found \
                "<!DOCTYPE a [<!ENTIT"
                x/g.xml: image: expected an image of its own, found "b.jpg", which x/b.xml is \
                about
                x/h.xml line 1: expected an XML document, found no element
                x/i.xml: size/width: expected a whole number of pixels above 0, found "-5"
                x/i.xml: image: expected an image of its own, found "a.jpg", which x/a.xml is \
                about
                """)
        try folder.add("y/f.xml", voc("", name: "../../etc/passwd"))
        #expect(
            folder.failure("y").hasPrefix(
                "y/f.xml: image 1: file_name: expected a path inside the images folder, found "
                    + "\"../../etc/passwd\""))
    }

    // MARK: LabelMe

    private func labelMe(_ shapes: String, path: String = "a.png") -> String {
        #"{"version": "5.3.1", "flags": {}, "shapes": [\#(shapes)], "imagePath": "\#(path)", "#
            + #""imageData": null, "imageHeight": 100, "imageWidth": 200}"#
    }

    @Test("LabelMe's rectangles, circles, polygons and groups")
    func labelMeShapes() throws {
        try folder.add(
            "l/a.json",
            labelMe(
                #"""
                {"label": "cat", "points": [[30, 40], [10.5, 20]], "shape_type": "rectangle",
                 "group_id": null, "flags": {"old": true}},
                {"label": "dog", "points": [[1, 1], [5, 1], [5, 7]], "shape_type": "polygon",
                 "group_id": 4},
                {"label": "cat", "points": [[50, 50], [53, 54]], "shape_type": "circle"},
                {"label": "dog", "points": [[10, 1], [12, 1], [12, 9]], "group_id": 4},
                {"label": "dog", "points": [[1, 1]], "shape_type": "point"}
                """#, path: #"..\\images\\a.png"#))
        let file = try folder.load("l/a.json")
        #expect(file.format == .labelme)
        #expect(
            lines(file) == [
                "a.png cat 10.5 20 19.5 20", "a.png dog 1 1 11 8", "a.png cat 45 45 10 10",
            ])
        #expect(try file.segmentation(of: file.annotations[0]) == .none)
        #expect(
            try file.segmentation(of: file.annotations[1])
                == .polygons([[1, 1, 5, 1, 5, 7], [10, 1, 12, 1, 12, 9]]))
        #expect(file.text(file.annotations[0].range).contains(#""flags": {"old": true}"#))
        #expect(file.images[0].size == Size(height: 100, width: 200))
        #expect(
            folder.warnings(file) == [
                "warning: l/a.json shape 5: shape_type: expected rectangle, polygon, rotation, "
                    + #"circle or mask, found "point", which has no box: it is left out"#
            ])
        #expect(lines(try folder.load("l")) == lines(file))
    }

    @Test("wrong LabelMe files and shapes are named")
    func brokenLabelMe() throws {
        try folder.add("l/a.json", labelMe(#"{"label": "", "points": [[1, 2]]}, 5"#))
        try folder.add(
            "l/b.json", labelMe(#"{"label": "x", "points": [[1, 2], [3]]}"#, path: "b.png"))
        try folder.add("l/c.json", labelMe(#"{"label": "x", "points": [[1, 2]]}"#, path: "c.png"))
        try folder.add("l/d.json", "{\"shapes\": [}")
        try folder.add(
            "l/e.json",
            labelMe("", path: "e.png").replacingOccurrences(of: "200", with: "\"w\""))
        try folder.add("l/f.json", "{\"shapes\": []}")
        #expect(
            folder.failure("l") == """
                l/a.json shape 1: label: expected a text, found ""
                l/a.json shape 2: expected an object, found something else
                l/b.json shape 1: points: expected a list of [x, y] in finite numbers, found \
                [[1, 2], [3]]
                l/d.json line 1 column 13: expected strict JSON, found expected a value, found '}'
                l/e.json: imageWidth, imageHeight: expected whole numbers of pixels above 0, \
                found "w", 100
                l/f.json: imagePath: expected a text, found nothing
                warning: l/c.json shape 1: points: expected at least 3 points for a polygon, \
                found 1: it is left out
                """)
    }

    @Test("a VOC file that cannot be read is named with what was found")
    func unreadableVOC() throws {
        try folder.add("v/a.xml", [0xFF, 0xFE, 0x3C, 0])
        #expect(
            folder.failure("v", format: .voc)
                == "v/a.xml: expected a file of XML in UTF-8, found UTF-16")
    }
}
