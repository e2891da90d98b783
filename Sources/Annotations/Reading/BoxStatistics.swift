import Imaging

/// Whether the boxes of a data set can be meant as they are written.
struct BoxStatistics {
    private var count = 0
    private var overEdge = 0
    private var fitAsCorners = 0
    private var areShares = 0

    /// - Parameter size: the image's, if it is known.
    mutating func add(_ box: Box, size: Size?) {
        count += 1
        if box.minX >= 0, box.minY >= 0, box.width <= 1, box.height <= 1, box.maxX <= 1.001,
            box.maxY <= 1.001
        {
            areShares += 1
        }
        guard let size else { return }
        let (width, height) = (Double(size.width), Double(size.height))
        if box.maxX > width + 0.5 || box.maxY > height + 0.5 || box.minX < -0.5 || box.minY < -0.5 {
            overEdge += 1
        }
        // The sides are the far corner, if corners were written.
        if box.width > box.minX, box.height > box.minY, box.width <= width, box.height <= height {
            fitAsCorners += 1
        }
    }

    /// What the boxes look like instead; nil where nothing points to it.
    ///
    /// - Parameter hasSides: whether the format has a corner and sides, rather than two corners.
    func finding(hasSides: Bool) -> (expected: String, found: String)? {
        guard count > 0 else { return nil }
        if areShares == count {
            return (
                "boxes in pixels",
                "no number above 1 in \(count) boxes: shares of the image's sides?"
            )
        }
        guard overEdge > 1, overEdge * 10 > count else { return nil }
        let share = "\(overEdge) of \(count) (\(overEdge * 100 / count) %) over the edge"
        let cause =
            hasSides && fitAsCorners == count
            ? ": corners (x1, y1, x2, y2) where x, y, width, height are meant?"
            : ": a wrong image size, or images that were cut or scaled?"
        return ("boxes inside their images", share + cause)
    }
}
