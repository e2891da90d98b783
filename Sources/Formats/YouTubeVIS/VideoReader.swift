import Annotations
import CJSON

/// YouTube-VIS JSON: `videos` with their frames, and one annotation an instance with a box and a mask
/// a frame. Each pair of an instance and a frame in which it has a box becomes a record, with the ids
/// of both: `"17/3"` is instance 17 in frame 3 (SPEC §11).
enum VideoReader {
    static func read(_ source: AnnotationSource) throws -> AnnotationFile {
        let bytes = try FileBytes(path: source.path)
        let tables = try VideoTables(bytes, path: source.path)
        var conversion = VideoConversion(bytes: bytes, path: source.path)
        bytes.withBytes { conversion.run(tables, $0) }
        guard conversion.problems.errorCount == 0 else {
            throw AnnotationError.invalid(conversion.problems)
        }
        let document = try FileBytes(conversion.document, path: source.path)
        return try AnnotationFile(
            AnnotationReader(
                path: source.path, bytes: document, problems: conversion.problems),
            path: source.path, format: .ytvis,
            video: VideoFile(bytes: bytes, instances: conversion.instances))
    }
}

/// The rows of a YouTube-VIS file, as byte ranges.
struct VideoTables {
    struct Video {
        let id: RecordID?
        let names, width, height: cj_value
    }

    struct Instance {
        let range: Range<Int>
        let id, video: RecordID?
        /// `category_id`, `iscrowd`, `score`: the same in every frame.
        let shared: [(key: String, value: cj_value)]
        let boxes: cj_value
        /// Lists with an element a frame, by their keys.
        let lists: [(key: String, value: cj_value)]
    }

    private(set) var videos: [Video] = []
    private(set) var instances: [Instance] = []
    private(set) var categories: Range<Int>?
    /// Rows that are no objects, and tables that are missing.
    private(set) var problems: ProblemList

    private static let tables = [
        JSONTable(key: "videos", columns: ["id", "file_names", "width", "height"]),
        JSONTable(
            key: "annotations",
            columns: [
                "id", "video_id", "category_id", "bboxes", "segmentations", "areas", "iscrowd",
                "score", "scores", "mask_scores",
            ]),
    ]

    init(_ bytes: FileBytes, path: String) throws {
        var videos: [Video] = []
        var instances: [Instance] = []
        var problems = ProblemList(file: path)
        var seen: Set<Int> = []
        let visitor = JSONTableVisitor(
            onTable: { table, _, _ in seen.insert(table) },
            onRow: { table, row, columns in
                guard let columns else {
                    let name = table == 0 ? "videos[\(videos.count)]" : "annotations"
                    problems.add(
                        .error, .file, field: name, expected: "an object",
                        found: bytes.snippet(row))
                    return
                }
                if table == 0 {
                    videos.append(
                        Video(
                            id: bytes.recordID(columns[0]), names: columns[1], width: columns[2],
                            height: columns[3]))
                } else {
                    instances.append(
                        Instance(
                            range: row.range, id: bytes.recordID(columns[0]),
                            video: bytes.recordID(columns[1]),
                            shared: [
                                ("category_id", columns[2]), ("iscrowd", columns[6]),
                                ("score", columns[7]),
                            ],
                            boxes: columns[3],
                            lists: [
                                ("segmentations", columns[4]), ("areas", columns[5]),
                                ("scores", columns[8]), ("mask_scores", columns[9]),
                            ]))
                }
            })
        _ = try bytes.readTables(Self.tables, path: path, visitor: visitor)
        for (table, name) in ["videos", "annotations"].enumerated() where !seen.contains(table) {
            problems.add(
                .error, .file, field: name, expected: "an array of objects", found: "no such key")
        }
        self.videos = videos
        self.instances = instances
        self.problems = problems
        categories = bytes.withBytes { content in
            var scanner = JSONScanner(content, 0..<content.count)
            let text = scanner
            var range: Range<Int>?
            scanner.members { key, value in
                if text.text(key) == "categories" { range = value }
            }
            return range
        }
    }
}
