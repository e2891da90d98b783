import Annotations
import CJSON
import Files

/// Makes a COCO document of a YouTube-VIS file, with an image a frame and a record a box.
struct VideoConversion {
    let bytes: FileBytes
    let path: String
    private(set) var document: [UInt8] = []
    private(set) var instances: [VideoFile.Instance] = []
    private(set) var problems: ProblemList
    private var recordCount = 0
    private var frameCounts: [RecordID: Int] = [:]

    init(bytes: FileBytes, path: String) {
        self.bytes = bytes
        self.path = path
        problems = ProblemList(file: path)
    }

    mutating func run(_ tables: VideoTables, _ content: UnsafeBufferPointer<UInt8>) {
        problems = tables.problems
        document = Array("{\"images\": [".utf8)
        for (index, video) in tables.videos.enumerated() { add(video, index, content) }
        document += Array("],\n\"annotations\": [".utf8)
        for (index, instance) in tables.instances.enumerated() { add(instance, index, content) }
        document += Array("]".utf8)
        if let categories = tables.categories {
            document += Array(",\n\"categories\": ".utf8)
            document += content[categories]
        }
        document += Array("}\n".utf8)
    }

    private mutating func error(
        _ place: String, _ field: String, _ expected: String, _ found: String
    ) {
        let file = "\(path): \(place)"
        problems.add(.error, at: file, .file, field: field, expected: expected, found: found)
    }

    private static func name(_ table: String, _ index: Int, _ id: RecordID?) -> String {
        id.map { "\(table) \($0)" } ?? "\(table)s[\(index)]"
    }

    /// The text of an id in the ids of its frames.
    private static func text(_ id: RecordID) -> String {
        switch id {
        case .text(let text): text
        case .integer(let value): "\(value)"
        case .large(let digits): digits
        }
    }

    private mutating func add(
        _ video: VideoTables.Video, _ index: Int, _ content: UnsafeBufferPointer<UInt8>
    ) {
        let place = Self.name("video", index, video.id)
        guard let id = video.id else {
            return error(place, "id", "a whole number or a text", "nothing of the kind")
        }
        guard video.names.kind == UInt8(CJ_ARRAY.rawValue) else {
            return error(
                place, "file_names", "a list of the frames' file names", bytes.snippet(video.names))
        }
        let names = JSONScanner.elements(content, video.names.range)
        guard frameCounts.updateValue(names.count, forKey: id) == nil else {
            return error(place, "id", "an id of its own", "that of an earlier video")
        }
        for (frame, name) in names.enumerated() {
            if document.last != UInt8(ascii: "[") { document += Array(",\n".utf8) }
            document += Array("{\"id\": ".utf8)
            document += PythonJSON.string("\(Self.text(id))/\(frame)")
            document += Array(", \"file_name\": ".utf8)
            document += content[name]
            for (key, value) in [("width", video.width), ("height", video.height)]
            where value.isPresent {
                document += Array(", \"\(key)\": ".utf8)
                document += content[value.range]
            }
            document.append(UInt8(ascii: "}"))
        }
    }

    private mutating func add(
        _ row: VideoTables.Instance, _ index: Int, _ content: UnsafeBufferPointer<UInt8>
    ) {
        let place = Self.name("annotation", index, row.id)
        guard let id = row.id else {
            return error(place, "id", "a whole number or a text", "nothing of the kind")
        }
        guard let video = row.video, let frameCount = frameCounts[video] else {
            return error(
                place, "video_id", "the id of a video", row.video.map { "\($0)" } ?? "nothing")
        }
        var lists: [(key: String, elements: [Range<Int>])] = []
        for (key, value) in [("bboxes", row.boxes)] + row.lists {
            guard value.isPresent || key == "bboxes" else { continue }
            guard value.kind == UInt8(CJ_ARRAY.rawValue) else {
                return error(place, key, "a list with an element a frame", bytes.snippet(value))
            }
            let elements = JSONScanner.elements(content, value.range)
            guard elements.count == frameCount else {
                return error(
                    place, key, "\(frameCount) elements, one a frame of video \(video)",
                    "\(elements.count)")
            }
            lists.append((key, elements))
        }
        var frames: [Int32] = []
        for frame in 0..<frameCount
        where content[lists[0].elements[frame].lowerBound] != UInt8(ascii: "n") {
            frames.append(Int32(frame))
            append(row, id, video, frame, lists, content)
        }
        instances.append(
            VideoFile.Instance(
                range: row.range, firstRecord: recordCount, frames: frames, frameCount: frameCount))
        recordCount += frames.count
    }

    private mutating func append(
        _ row: VideoTables.Instance, _ id: RecordID, _ video: RecordID, _ frame: Int,
        _ lists: [(key: String, elements: [Range<Int>])], _ content: UnsafeBufferPointer<UInt8>
    ) {
        if document.last != UInt8(ascii: "[") { document += Array(",\n".utf8) }
        document += Array("{\"id\": ".utf8) + PythonJSON.string("\(Self.text(id))/\(frame)")
        document += Array(", \"image_id\": ".utf8)
        document += PythonJSON.string("\(Self.text(video))/\(frame)")
        var members = JSONMembers()
        for (key, value) in row.shared where value.isPresent {
            members.add(key, json: content[value.range])
        }
        for (key, elements) in lists {
            let element = content[elements[frame]]
            if element.first == UInt8(ascii: "n") { continue }
            members.add(key == "bboxes" ? "bbox" : String(key.dropLast()), json: element)
        }
        document += members.bytes
        document.append(UInt8(ascii: "}"))
    }
}
