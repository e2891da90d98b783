import Foundation

extension ImportedRecords.Annotation {
    /// The box around an ellipse.
    ///
    /// - Parameter angle: how far it is turned, in radians.
    init(
        image: Int32, category: Int32, ellipseAt centre: (x: Double, y: Double),
        radii: (x: Double, y: Double), angle: Double
    ) {
        let reachX = hypot(radii.x * cos(angle), radii.y * sin(angle))
        let reachY = hypot(radii.x * sin(angle), radii.y * cos(angle))
        self.init(
            image: image, category: category, x: centre.x - reachX, y: centre.y - reachY,
            width: 2 * reachX, height: 2 * reachY)
    }

    /// A rectangle, and if it is turned its corners as a polygon and the box around them.
    ///
    /// - Parameters:
    ///   - pivot: the point that it is turned about, as a share of its sides.
    ///   - angle: clockwise, in radians.
    init(
        image: Int32, category: Int32, x: Double, y: Double, width: Double, height: Double,
        turnedAbout pivot: Double, by angle: Double
    ) {
        guard angle != 0 else {
            self.init(
                image: image, category: category, x: x, y: y, width: width, height: height)
            return
        }
        let (pivotX, pivotY) = (x + pivot * width, y + pivot * height)
        var corners: [Double] = []
        for (across, down) in [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)] {
            let dx = (across - pivot) * width
            let dy = (down - pivot) * height
            // To a millionth of a pixel: a quarter turn of whole pixels is whole.
            for value in [
                pivotX + dx * cos(angle) - dy * sin(angle),
                pivotY + dx * sin(angle) + dy * cos(angle),
            ] { corners.append((value * 1e6).rounded() / 1e6) }
        }
        self.init(image: image, category: category, boundingPolygons: [corners])
    }
}
