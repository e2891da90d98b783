import Annotations
import Files
import Formats
import Foundation
import Imaging
import Testing

/// CSV tables.
@Suite struct TableTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    @Test(
        "columns are known by their names",
        arguments: [
            ("image,x,y,w,h,label\na.jpg,1,2,3,4,cat\n", [""]),
            ("label;h;w;y;x;image\r\ncat;4;3;2;1;a.jpg\r\n", [""]),
            ("\u{FEFF}filename,x1,y1,x2,y2,class\na.jpg,1,2,4,6,cat", [""]),
            (
                "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,640,480,cat,1,2,4,6\n",
                ["640×480"]
            ),
            ("Image Name\tX Min\tY Min\tX Max\tY Max\tClass-Name\na.jpg\t1\t2\t4\t6\tcat\n", [""]),
        ])
    func columns(table: String, sizes: [String]) throws {
        try folder.add("t.csv", table)
        let file = try folder.load("t.csv")
        #expect(file.format == .csv)
        #expect(lines(file) == ["a.jpg cat 1 2 3 4"])
        #expect(file.images.map { $0.size.map(\.description) ?? "" } == sizes)
    }

    @Test("quoted fields, further columns, images without objects")
    func fields() throws {
        try folder.add(
            "t.csv",
            "image,x,y,w,h,label,score,note,id\n"
                + "\"a,\"\"b\"\".jpg\",1,2,3,4,\"two\nlines\",0.5,\"x \"\"y\"\"\",17\n"
                + "empty.jpg,,,,,,,,\n"
                + "\na.jpg,-1e1,.5,3,4,cat,,,\n")
        let file = try folder.load("t.csv")
        #expect(lines(file) == ["a,\"b\".jpg two\nlines 1 2 3 4", "a.jpg cat -10 0.5 3 4"])
        #expect(file.images.map(\.fileName) == ["a,\"b\".jpg", "empty.jpg", "a.jpg"])
        let first = file.text(file.annotations[0].range)
        #expect(first.hasSuffix(#", "score": 0.5, "note": "x \"y\"", "csv_id": 17.0}"#))
        #expect(!file.text(file.annotations[1].range).contains("score"))
    }

    @Test("what a spreadsheet would compute stays text, and is read back as it was")
    func formulas() throws {
        let names = ["=1+1", "+a", "-b", "@c", "'=d", "'e", "=\"f\",g", "h=1"]
        let rows = names.map { "\(quoted($0 + ".png")),1,2,3,4,\(quoted($0)),0.5,-1,8,8\n" }
            .joined()
        func quoted(_ text: String) -> String {
            "\"" + (text.hasPrefix("'=") ? "'" : "") + text.replacing("\"", with: "\"\"") + "\""
        }
        try folder.add("t.csv", "image,x,y,w,h,label,score,note,image_width,image_height\n" + rows)
        let file = try folder.load("t.csv")
        #expect(Set(file.categories.map { $0.name ?? "" }) == Set(names))
        _ = try AnnotationExport(
            format: .csv, path: folder.path + "/out.csv", options: ExportOptions()
        ).write(file)
        let text = try String(contentsOfFile: folder.path + "/out.csv", encoding: .utf8)
        #expect(text.contains("\n\"'=1+1.png\",1,2,3,4,\"'=1+1\",0.5,8,8\n"))
        #expect(text.contains(",\"'=\"\"f\"\",g\","))
        #expect(text.contains("\n'e.png,") && text.contains(",h=1,"))
        for cell in text.split(separator: "\n").flatMap({ $0.split(separator: ",") }) {
            #expect(!"=+-@".contains(cell.drop { $0 == "\"" }.first ?? " "), "\(cell)")
        }
        let again = try folder.load("out.csv")
        #expect(lines(again) == lines(file))
        #expect(again.categories.map(\.name) == file.categories.map(\.name))
    }

    @Test("every wrong line is named, all at once")
    func broken() throws {
        try folder.add(
            "t.csv",
            "image,x,y,w,h,label\na.jpg,1,2,3,4\na.jpg,1,2,x,inf,cat\n../a.jpg,1,2,3,4,cat\n"
                + "\"a\"b,1,2,3,4,cat\na.jpg,1,2,3,4,\n\"multi\nline\",1,2,3,0x4,cat\n"
                + "a.jpg,1,2,3,4,\"open\n")
        #expect(
            folder.failure("t.csv") == """
                t.csv line 2: expected 6 fields, as the header has, found 5
                t.csv line 3: w: expected a finite number, found "x"
                t.csv line 3: h: expected a finite number, found "inf"
                t.csv line 4: image: expected a path inside the images folder, found \
                "../a.jpg", which leads out of the images folder
                t.csv line 5: expected a delimiter after a closing quote, found more text
                t.csv line 6: label: expected a class name, found nothing
                t.csv line 7: h: expected a finite number, found "0x4"
                t.csv line 9: expected a closing quote, found the end of the file
                """)
    }

    @Test(
        "a table without a header, or in shares, is refused",
        arguments: [
            (
                "image,x,y,w,h\n",
                "t.csv line 1: expected a header with a column of class names (label, class, "
                    + "category, label_name, class_name, category_name, name), found "
                    + #""image,x,y,w,h""#
            ),
            (
                "a.jpg,1,2,3,4,cat\n",
                "t.csv line 1: expected a header with a column of image files (image, filename, "
                    + "file_name, image_name, image_path, path, img, file), found "
                    + #""a.jpg,1,2,3,4,cat""#
            ),
            (
                "image,x,x,y,w,h,label\n",
                #"t.csv line 1: expected each column name once, found "x" more than once"#
            ),
            (
                "image,x,y,w,h,label\na.jpg,0.1,0.2,0.3,0.4,cat\n",
                "t.csv: expected boxes in pixels, found no number above 1: shares of the image's "
                    + "sides?"
            ),
            ("\n", "t.csv: expected a header line, found nothing"),
        ])
    func refused(table: String, expected: String) throws {
        try folder.add("t.csv", table)
        #expect(folder.failure("t.csv") == expected)
    }
}
