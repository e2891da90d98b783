import Annotations
import Files
import Imaging

/// One image of a KITTI MOTS sequence.
struct MOTSFrame: Hashable {
    let sequence: String
    let number: Int
}

/// Which image each frame is: `images.csv` says it, or the frames' numbers.
struct MOTSFrameTable {
    private struct Entry {
        let image: String
        let size: Size
        let line: Int
    }

    private let path: String?
    private var entries: [MOTSFrame: Entry] = [:]
    private var order: [MOTSFrame] = []

    /// - Throws: ``AnnotationError/problem(_:)`` that names the table's line.
    init(in folders: [String]) throws {
        let table = try SideTable(
            LabelledImages.fileName, in: folders,
            columns: ["sequence", "frame", "image", "width", "height"])
        path = table?.path
        guard let table else { return }
        for (line, fields) in table.rows {
            if let fault = ImageRecord.fault(in: fields[2]) {
                throw table.problem(
                    line, field: "image", expected: "a path inside the images folder",
                    found: "\(fields[2].quoted), which \(fault)")
            }
            let numbers = [fields[1], fields[3], fields[4]].map { Int($0) ?? -1 }
            guard numbers[0] >= 0, numbers[1...].allSatisfy({ (1...0x7FFF_FFFF).contains($0) })
            else {
                throw table.problem(
                    line, field: "frame, width, height",
                    expected: "a frame's number, and whole numbers of pixels above 0",
                    found: [fields[1], fields[3], fields[4]].joined(separator: ", ").quoted)
            }
            let frame = MOTSFrame(sequence: fields[0], number: numbers[0])
            let entry = Entry(
                image: fields[2], size: Size(height: numbers[2], width: numbers[1]), line: line)
            guard entries.updateValue(entry, forKey: frame) == nil else {
                throw table.problem(
                    line, field: "frame", expected: "each frame once",
                    found: "frame \(frame.number) of \(frame.sequence.quoted) again")
            }
            order.append(frame)
        }
    }

    /// Makes the images of the table those of a data set, also those without an instance.
    func declare(in records: inout ImportedRecords) {
        guard let path else { return }
        let file = records.places.addFile(path)
        for frame in order {
            guard let entry = entries[frame] else { continue }
            _ = records.image(
                entry.image, size: entry.size,
                at: ImportPlaces.Place(file: file, number: Int32(clamping: entry.line)))
        }
    }

    func image(_ frame: MOTSFrame, _ source: AnnotationSource) -> String {
        if let entry = entries[frame] { return entry.image }
        let digits = "\(frame.number)"
        let name = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
        let folder = frame.sequence.isEmpty ? "" : frame.sequence + "/"
        let names = ["png", "jpg"].map { folder + name + "." + $0 }
        return source.image(among: names).name
    }

    /// The frames of the table that have no file: nothing may go missing unnoticed.
    func checkComplete(_ frames: [MOTSFrame], in records: inout ImportedRecords) {
        guard let path else { return }
        let known = Set(frames)
        let file = records.places.addFile(path)
        for frame in order where !known.contains(frame) {
            records.error(
                ImportPlaces.Place(file: file, number: 0), field: "frame",
                expected: "a label image for frame \(frame.number) of \(frame.sequence.quoted)",
                found: "none")
        }
    }
}
