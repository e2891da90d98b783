import Annotations
import Imaging

/// The outline of a mask: closed rings along the edges between pixels, in half pixels, so that the
/// middle of an edge is a whole number too.
///
/// Pixels that touch at a corner belong to one part, as with OpenCV's and Suzuki's contours, so
/// that a thin slanted line is one part; a hole is what is left inside, joined by edges only. A
/// ring goes round a part clockwise as it is seen and round a hole the other way: the mask is
/// always on its right.
struct MaskOutline {
    struct Point: Equatable {
        var x, y: Int32
    }

    struct Ring {
        /// Every step of one pixel, the middle of each, or the pixels of the mask beside them.
        var points: [Point]
        let isHole: Bool
    }

    /// A hole and the ring to its left, with the mask's pixels of one row between them.
    struct Bridge {
        let parent: Int
        /// The point of the parent's ring.
        let parentPoint: Int
        let hole: Int
        let holePoint: Int
    }

    private(set) var rings: [Ring] = []
    private(set) var bridges: [Bridge] = []

    var partCount: Int { rings.count { !$0.isHole } }
    var holeCount: Int { rings.count { $0.isHole } }

    /// More steps than that are no drawn shape, and polygons of them could not be read back.
    static let stepLimit = 4_000_000
    /// The most pixels of the smallest box around a mask.
    static let pixelLimit = 200_000_000

    /// What a ring goes through.
    enum Course {
        case corners
        /// The middles of the edges, which cuts corners.
        case edgeMiddles
        /// The middles of the mask's own pixels at the edge.
        case pixels
    }

    /// - Throws: ``AnnotationError/segmentation(_:)`` for an outline beyond the limits.
    init(_ mask: RLE, _ course: Course = .corners) throws {
        let box = mask.boundingBox
        // A margin of one pixel all round spares every look at the edge of the image.
        let window = CropWindow(
            minX: Int(box.minX) - 1, minY: Int(box.minY) - 1, maxX: Int(box.maxX) + 1,
            maxY: Int(box.maxY) + 1)
        guard let count = window.size.pixelCount, count <= Self.pixelLimit,
            max(box.maxX, box.maxY) < 5e8
        else {
            throw AnnotationError.segmentation(
                "outline lies in \(window.size) pixels, more than \(Self.pixelLimit)")
        }
        var tracer = Tracer(pixels: mask.pixels(in: window), stride: window.width)
        try tracer.traceAll()
        rings = tracer.rings
        bridges = tracer.bridges(course)
        for index in rings.indices { rings[index].points.moveToImage(window, course) }
        if course == .pixels { mergePixels() }
    }

    /// Leaves each pixel in a ring once where steps one after the other have the same one beside
    /// them.
    private mutating func mergePixels() {
        var places: [[Int]] = []
        for index in rings.indices {
            var merged: [Point] = []
            places.append(
                rings[index].points.map { point in
                    if merged.last != point { merged.append(point) }
                    return merged.count - 1
                })
            if merged.count > 1, merged.last == merged.first { merged.removeLast() }
            rings[index].points = merged
        }
        bridges = bridges.map { bridge in
            func place(_ ring: Int, _ point: Int) -> Int {
                places[ring][point] % rings[ring].points.count
            }
            return Bridge(
                parent: bridge.parent, parentPoint: place(bridge.parent, bridge.parentPoint),
                hole: bridge.hole, holePoint: place(bridge.hole, bridge.holePoint))
        }
    }
}

extension [MaskOutline.Point] {
    /// From whole pixels of a window to half pixels of its image.
    fileprivate mutating func moveToImage(_ window: CropWindow, _ course: MaskOutline.Course) {
        guard let first else { return }
        let (left, top) = (2 * Int32(window.minX), 2 * Int32(window.minY))
        for index in indices {
            let point = self[index]
            let next = index + 1 < count ? self[index + 1] : first
            self[index] =
                switch course {
                case .corners: .init(x: 2 * point.x + left, y: 2 * point.y + top)
                case .edgeMiddles: .init(x: point.x + next.x + left, y: point.y + next.y + top)
                case .pixels:
                    // The mask is on the right of each step; a pixel is named by its upper left.
                    .init(
                        x: 2 * (next.y > point.y || next.x < point.x ? point.x - 1 : point.x)
                            + left,
                        y: 2 * (next.x < point.x || next.y < point.y ? point.y - 1 : point.y) + top)
                }
        }
    }
}

/// Follows the edges of one window, whose outermost pixels are not set.
private struct Tracer {
    private(set) var rings: [MaskOutline.Ring] = []
    /// 1 for a pixel of the mask, 3 once the edge above it was followed.
    private var pixels: [UInt8]
    private let stride: Int
    private var stepCount = 0

    init(pixels: [UInt8], stride: Int) {
        self.pixels = pixels
        self.stride = stride
    }

    mutating func traceAll() throws {
        guard pixels.count > stride else { return }
        for place in stride..<pixels.count
        where pixels[place] == 1 && pixels[place - stride] == 0 {
            try trace(from: place)
        }
    }

    /// The ring that has the upper edge of a pixel in it.
    private mutating func trace(from start: Int) throws {
        var points: [MaskOutline.Point] = []
        // A corner is named by the pixel below and to its right.
        var corner = start
        var heading = 0
        var doubleArea = 0
        // Right, down, left, up: the step, and the pixels ahead on the left and on the right.
        let steps = [1, stride, -1, -stride]
        let left = [-stride, 0, -1, -stride - 1]
        let right = [0, -1, -stride - 1, -stride]
        repeat {
            let (row, column) = corner.quotientAndRemainder(dividingBy: stride)
            points.append(.init(x: Int32(column), y: Int32(row)))
            if heading == 0 {
                pixels[corner] = 3
                doubleArea -= row
            } else if heading == 2 {
                doubleArea += row
            }
            guard stepCount + points.count <= MaskOutline.stepLimit else {
                throw AnnotationError.segmentation(
                    "outline is longer than \(MaskOutline.stepLimit) pixels")
            }
            corner += steps[heading]
            if pixels[corner + left[heading]] != 0 {
                heading = (heading + 3) % 4
            } else if pixels[corner + right[heading]] == 0 {
                heading = (heading + 1) % 4
            }
        } while corner != start || heading != 0
        stepCount += points.count
        rings.append(.init(points: points, isHole: doubleArea < 0))
    }

    /// For each hole the way to the left from its leftmost edge.
    func bridges(_ course: MaskOutline.Course) -> [MaskOutline.Bridge] {
        guard rings.contains(where: { $0.isHole }) else { return [] }
        // Which ring goes up the left side of a pixel, and at which of its points.
        var leftSides: [Int: (ring: Int, point: Int)] = [:]
        for (index, ring) in rings.enumerated() {
            ring.forEachStep { point, from, to in
                guard to.y < from.y else { return }
                leftSides[Int(to.y) * stride + Int(to.x)] = (index, point)
            }
        }
        var bridges: [MaskOutline.Bridge] = []
        for (index, ring) in rings.enumerated() where ring.isHole {
            var best: (point: Int, x: Int32, y: Int32)?
            ring.forEachStep { point, from, to in
                guard to.y > from.y else { return }
                if let best, (best.x, best.y) <= (from.x, from.y) { return }
                best = (point, from.x, from.y)
            }
            guard let best else { continue }
            var place = Int(best.y) * stride + Int(best.x)
            while pixels[place - 1] != 0 { place -= 1 }
            guard let side = leftSides[place] else { continue }
            // Along the edges the bridge lies at the upper end of both, else at their middles.
            let parentPoint =
                course == .corners
                ? (side.point + 1) % rings[side.ring].points.count : side.point
            bridges.append(
                .init(
                    parent: side.ring, parentPoint: parentPoint, hole: index,
                    holePoint: best.point))
        }
        return bridges
    }
}

extension MaskOutline.Ring {
    fileprivate func forEachStep(
        _ body: (_ index: Int, _ from: MaskOutline.Point, _ to: MaskOutline.Point) -> Void
    ) {
        for index in points.indices {
            body(index, points[index], points[index + 1 < points.count ? index + 1 : 0])
        }
    }
}
