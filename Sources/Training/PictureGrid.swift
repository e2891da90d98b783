package import Imaging
import MaskModel
import Torch

/// One row a crop: the image with its box, and on it the student's mask, the teacher's, and the
/// target that the CRF made of both.
package func pictureGrid(_ tensors: TrainingTensors, maps: StepMaps) -> RGBImage {
    let count = tensors.areas.count
    let side = tensors.image.size(2)
    let images = pixels(of: tensors.image)
    let layers = [maps.student, maps.teacher, maps.target].map { map in
        interpolate(map.unsqueezed(1), height: side, width: side, .bilinear).floats()
            .map { clamped($0, 1) }
    }
    let boxes = tensors.mask.floats()
    let gap = 4
    let width = 4 * side + 3 * gap
    let height = count * side + (count - 1) * gap
    var grid = [UInt8](repeating: 255, count: width * height * 3)
    for row in 0..<count {
        for column in 0..<4 {
            for y in 0..<side {
                for x in 0..<side {
                    let place = (row * side + y) * side + x
                    let target =
                        ((row * (side + gap) + y) * width + column * (side + gap) + x) * 3
                    let strength =
                        column == 0 ? 0 : Double(layers[column - 1][place]) * 0.6
                    let isEdge = column == 0 && isBoxEdge(boxes, row, y, x, side)
                    let tint = isEdge ? [255.0, 220, 0] : [255.0, 40, 40]
                    let cover = isEdge ? 1 : strength
                    for channel in 0..<3 {
                        let old = Double(images[place * 3 + channel])
                        grid[target + channel] = UInt8(old + (tint[channel] - old) * cover)
                    }
                }
            }
        }
    }
    return RGBImage(size: Size(height: height, width: width), pixels: grid)
}

private func isBoxEdge(_ boxes: [Float], _ row: Int, _ y: Int, _ x: Int, _ side: Int) -> Bool {
    func inside(_ y: Int, _ x: Int) -> Bool {
        (0..<side).contains(y) && (0..<side).contains(x) && boxes[(row * side + y) * side + x] > 0.5
    }
    return inside(y, x)
        && !(inside(y - 1, x) && inside(y + 1, x) && inside(y, x - 1) && inside(y, x + 1))
}

/// The bytes of normalised images (n, 3, S, S), as n·S·S·3.
private func pixels(of image: Tensor) -> [UInt8] {
    let mean = Tensor([0.485, 0.456, 0.406] as [Float], [1, 3, 1, 1], device: image.device)
    let deviation = Tensor([0.229, 0.224, 0.225] as [Float], [1, 3, 1, 1], device: image.device)
    return ((image * deviation + mean) * 255).permuted(0, 2, 3, 1).floats().map {
        UInt8(clamped($0.rounded(), 255))
    }
}

/// A network that has lost itself gives NaN, which has no colour: 0.
private func clamped(_ value: Float, _ upper: Float) -> Float {
    value.isNaN ? 0 : min(max(value, 0), upper)
}

extension TrainingStep {
    /// What the networks make of `batch` now, without a step.
    func maps(of batch: TrainingTensors) -> StepMaps {
        withoutGradients {
            let student = probabilities(
                autocast(settings.options.arithmetic, on: pair.device) {
                    pair.student(image: batch.image, areas: batch.areas)
                })
            let (teacher, _) = teacherProbabilities(batch)
            return StepMaps(
                student: student, teacher: teacher,
                target: crfTarget(
                    batch, student: student, teacher: teacher,
                    side: student.size(1) * settings.crfSizeRatio))
        }
    }
}
