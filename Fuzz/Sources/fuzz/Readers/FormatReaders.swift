import Annotations
import Formats

extension Reader {
    /// The files of annotation tools, each read as its format; what is read has masks that decode.
    static func formats(_ places: Places) throws -> Reader {
        let mutators = seeds.map {
            (format: $0.format, mutate: Mutator([Array($0.text.utf8)], words: words, isText: true))
        }
        return Reader(
            name: "formats",
            generate: { random in
                // The last byte says which format it is.
                let place = random.below(mutators.count)
                return mutators[place].mutate(&random) + [UInt8(place)]
            }
        ) { input, _ in
            let format = mutators[Int(input.last ?? 0) % mutators.count].format
            let file = try AnnotationFile.read(
                AnnotationSource(path: places.write(Array(input.dropLast())), format: format))
            _ = file.problems.summary()
            _ = file.checkSegmentations().summary()
            for annotation in file.annotations { _ = file.text(annotation.range) }
        }
    }

    private static let seeds: [(format: AnnotationFormat, text: String)] = [
        (
            .cvat,
            #"""
            <annotations><meta><task><labels><label><name>c</name></label></labels></task>
            </meta><image id="0" name="a.jpg" width="16" height="12">
            <box label="c" xtl="1" ytl="2" xbr="9" ybr="8.5" rotation="30"/>
            <mask label="c" rle="1, 3, 2,
             3" left="1" top="2" width="3" height="3" z_order="0"><attribute name="x">
            y</attribute></mask><polygon label="c" points="1,2;3,4.5;5,1"/>
            <ellipse label="c" cx="5" cy="6" rx="2" ry="1"/></image></annotations>
            """#
        ),
        (
            .labelStudio,
            #"""
            [{"data":{"image":"/data/upload/1/a1b2-a.jpg"},"predictions":[{"score":0.5,
            "result":[{"id":"1","type":"rectanglelabels","original_width":4,
            "original_height":3,"value":{"x":1,"y":2,"width":50,"height":60,"rotation":20,
            "rectanglelabels":["c"]}},{"id":"2","type":"brushlabels","original_width":4,
            "original_height":3,"value":{"format":"rle","rle":[0,0,0,48,57,27,252,96,19,255,
            198,1,127,254,112,8,255,227,0,0],"brushlabels":["c"]}},{"id":"3",
            "type":"polygonlabels","original_width":4,"original_height":3,
            "value":{"points":[[1,2],[30,40],[5,60]],"polygonlabels":["c"]}}]}]}]
            """#
        ),
        (
            .datumaro,
            #"""
            {"dm_format_version":"1.0","categories":{"label":{"labels":[{"name":"c"}]}},
            "items":[{"id":"a","image":{"path":"a.jpg","size":[3,4]},"annotations":[{"id":1,
            "type":"bbox","label_id":0,"group":2,"z_order":1,"attributes":{"score":0.5},
            "bbox":[1,0,2,3]},{"id":2,"type":"polygon","label_id":0,"points":[0,0,4,0,4,3]},
            {"id":3,"type":"mask","label_id":0,"rle":{"size":[3,4],"counts":"3210404"}}]}]}
            """#
        ),
        (
            .supervisely,
            #"""
            {"size":{"height":10,"width":12},"objects":[{"id":1,"classTitle":"c",
            "geometryType":"rectangle","points":{"exterior":[[8,6],[4,1]],"interior":[]}},
            {"id":2,"classTitle":"c","geometryType":"polygon","points":{"exterior":[[0,0],[6,
            0],[6,6],[0,6]],"interior":[[[2,2],[4,2],[4,4]]]}},{"id":3,"classTitle":"c",
            "geometryType":"bitmap","bitmap":{"origin":[9,7],
            "data":"eJzrDPBz5+WS4mJgYOD19HAJAtJMIMwBJBjC7wb9AFJ8ni6OIRVzkhMSUhJSWIAKGVhs+rf2glR4uvq5rHNKaAIAyqQPCw=="}}]}
            """#
        ),
        (
            .via,
            #"""
            {"a":{"filename":"a.jpg","regions":[{"shape_attributes":{"name":"rect","x":1,
            "y":2,"width":3,"height":4},"region_attributes":{"type":"c"}},
            {"shape_attributes":{"name":"polygon","all_points_x":[1,3,3],"all_points_y":[1,1,
            3]},"region_attributes":{"x":{"c":true}}},{"shape_attributes":{"name":"ellipse",
            "cx":5,"cy":6,"rx":7.5,"ry":2,"theta":1},"region_attributes":{"n":3}}]}}
            """#
        ),
        (
            .createML,
            #"""
            [{"image":"a.jpg","annotations":[{"label":"c","coordinates":{"x":80,"y":64,
            "width":80,"height":96}}]}]
            """#
        ),
    ]

    private static let words = [
        "1e999", "1e308", "-1", "2147483648", "9223372036854775807", "NaN", "null", "[]", "{}",
        "\"\"",
        "true", "[[1,2],[3,4],[5,6]]", "\"\\ud800\"", "<box ", "<image ", "/>", "</image>", "&amp;",
        "&#0;", "<!-- ", " -->", "rotation=\"1\" ", "../", "/data/local-files/?d=",
    ]
}
