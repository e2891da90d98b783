/// Rings that are joined into one closed line: a bridge is a straight line that is walked there and
/// back, so that it encloses nothing (a keyhole).
///
/// An even-odd fill, and pycocotools, which flips the mask at every crossing, give the same pixels
/// as for the rings one by one, because the two ways of a bridge cancel out.
struct RingTree<Point> {
    struct Child {
        /// The place of the parent's point.
        let at: Int
        let ring: Int
        /// The place of the point at which the child is entered and left.
        let start: Int
    }

    let rings: [[Point]]
    private var children: [Int: [Int: [Child]]] = [:]

    init(rings: [[Point]]) {
        self.rings = rings
    }

    mutating func add(_ child: Child, to parent: Int) {
        children[parent, default: [:]][child.at, default: []].append(child)
    }

    /// The line through a ring and all that hangs on it.
    func line(from root: Int) -> [Point] {
        // A stack of our own: chains of holes can be long.
        var line: [Point] = []
        var visits = [Visit(ring: root, start: 0)]
        while let visit = visits.last {
            let top = visits.count - 1
            let ring = rings[visit.ring]
            let isRoot = top == 0
            guard visit.step < ring.count + (isRoot ? 0 : 1) else {
                visits.removeLast()
                continue
            }
            let place = (visit.start + visit.step) % ring.count
            line.append(ring[place])
            let hanging = visit.step < ring.count ? children[visit.ring]?[place] ?? [] : []
            if visit.nextChild < hanging.count {
                let child = hanging[visit.nextChild]
                visits[top].nextChild += 1
                visits.append(Visit(ring: child.ring, start: child.start))
            } else {
                visits[top].nextChild = 0
                visits[top].step += 1
            }
        }
        return line
    }
}

/// A ring that is being walked.
private struct Visit {
    let ring, start: Int
    var step = 0
    var nextChild = 0
}
