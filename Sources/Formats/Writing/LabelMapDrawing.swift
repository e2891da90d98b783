import Annotations
import Imaging

extension ExportImage {
    /// Draws the masks of an image over each other.
    ///
    /// - Parameters:
    ///   - isIncluded: whether an instance, by place, is drawn.
    ///   - category: if given, pixels that go to an instance of the same number are not lost.
    func labelMap(
        _ options: ExportOptions, report: inout ExportReport, category: ((Int) -> Int)? = nil,
        where isIncluded: (Int) -> Bool
    ) throws -> LabelMap {
        let limit = 65_000
        guard instances.count <= limit else {
            throw AnnotationError.segmentation(
                "image \(record.id) has \(instances.count) masks, more than \(limit)")
        }
        let order = LabelMap.order(instances, by: options.overlap, where: isIncluded)
        let map = try LabelMap(instances.map(\.mask), order: order, size: size)
        for place in order {
            guard let mask = instances[place].mask, map.areas[place] < mask.area else { continue }
            var lost = mask.area - map.areas[place]
            if let category {
                lost = 0
                mask.forEachRun { start, length in
                    for pixel in start..<start + length
                    where category(Int(map.values[pixel]) - 1) != category(place) { lost += 1 }
                }
            }
            report.add(.overlapPixels, lost)
            if lost == mask.area {
                report.add(.covered)
            } else if lost > 0 {
                report.add(.overlapped)
            }
            report.writtenCount -= lost == mask.area ? 1 : 0
        }
        report.writtenCount += order.count
        return map
    }
}
