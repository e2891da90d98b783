/// Which of YOLO's kinds of lines a data set has: told by all of its lines, since one alone may be
/// two things.
struct YOLOKind {
    /// Lines that can be points after a box as well as corners of a polygon.
    struct Ambiguity: Error {
        let line: String
    }

    /// How many points an object has, and how many numbers a point; nil for boxes and polygons.
    private(set) var keypoints: (count: Int, size: Int)?
    /// Whether lines end with the number of a track.
    private(set) var hasTracks = false
    /// What was taken for what, where it is not plain.
    private(set) var note: String?

    private let isPose: Bool
    /// The numbers of fields of all lines.
    private var counts: Set<Int> = []
    private var lineCount = 0
    private var sample = ""
    private var endsAreTracks = true
    private var boxesHoldPairs = true
    private var hasVisibilities = true

    init(_ keypoints: (count: Int, size: Int)?, isPose: Bool) {
        self.keypoints = keypoints
        self.isPose = isPose
    }

    mutating func survey(_ text: [UInt8]) {
        guard keypoints == nil else { return }
        TextFields.lines(text) { _, line in
            let fields = TextFields.fields(line)
            guard fields.count > 5 else {
                if !fields.isEmpty { counts.insert(fields.count) }
                return
            }
            lineCount += 1
            counts.insert(fields.count)
            if sample.isEmpty { sample = TextFields.shown(line.prefix(160)) }
            if fields.count <= 7 {
                let end = fields[fields.count - 1]
                endsAreTracks =
                    endsAreTracks && end.allSatisfy { (0x30...0x39).contains($0) }
                    && (TextFields.number(end) ?? 0) >= 1
                return
            }
            let numbers = fields.dropFirst().map { TextFields.number($0) ?? -1 }
            boxesHoldPairs = boxesHoldPairs && Self.boxHolds(numbers, step: 2)
            hasVisibilities =
                hasVisibilities && (numbers.count - 4).isMultiple(of: 3)
                && Self.boxHolds(numbers, step: 3)
                && stride(from: 6, to: numbers.count, by: 3).allSatisfy {
                    [0, 1, 2].contains(numbers[$0])
                }
        }
    }

    /// - Throws: ``Ambiguity`` for a data set of which nothing says what its lines are.
    mutating func decide() throws(Ambiguity) {
        guard keypoints == nil, lineCount > 0 else { return }
        let longest = counts.max() ?? 0
        if longest <= 7, counts.contains(where: { $0 > 5 }) {
            guard endsAreTracks, !counts.isDisjoint(with: [6, 7]) else { return }
            hasTracks = true
            note =
                "lines end with whole numbers, as `yolo track` writes them: read as boxes with tracks"
            return
        }
        // Corners of polygons differ in number; points do not.
        guard longest > 7, counts.filter({ $0 > 5 }).count == 1 else {
            guard isPose else { return }
            throw Ambiguity(line: "lines of \(counts.sorted()) fields and no kpt_shape")
        }
        let numbers = longest - 5
        if hasVisibilities {
            keypoints = (numbers / 3, 3)
            note = "lines are boxes with \(numbers / 3) points: no kpt_shape says so"
        } else if isPose {
            guard numbers.isMultiple(of: 2) else {
                throw Ambiguity(line: "\(longest) fields and no kpt_shape: \(sample)")
            }
            keypoints = (numbers / 2, 2)
        } else if boxesHoldPairs, lineCount > 1, longest.isMultiple(of: 2) == false, longest > 9 {
            throw Ambiguity(
                line: "\(longest) fields in every line, which may be \((longest - 1) / 2) corners, "
                    + "or a box and \(numbers / 2) points: \(sample)")
        }
    }

    /// Whether the first four numbers are a box that holds all points after it that are there.
    private static func boxHolds(_ numbers: [Double], step: Int) -> Bool {
        guard numbers.count >= 4 + step else { return false }
        let (x, y, width, height) = (numbers[0], numbers[1], numbers[2], numbers[3])
        for place in stride(from: 4, to: numbers.count - 1, by: step) {
            let (px, py) = (numbers[place], numbers[place + 1])
            if px == 0, py == 0 { continue }
            guard abs(px - x) <= width / 2 + 0.01, abs(py - y) <= height / 2 + 0.01 else {
                return false
            }
        }
        return true
    }
}
