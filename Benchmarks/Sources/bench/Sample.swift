import Torch

/// The baseline's batch: noise, a box mask over the middle of each crop, and boxes of every size
/// bucket, large ones twice.
struct Sample {
    /// (B, 3, S, S)
    let image: Tensor
    /// (B, 1, S, S)
    let boxMask: Tensor
    let areas: [Float]

    init(batch: Int, crop: Int, device: Device) {
        var generator = Generator(seed: 0)
        image = .drawn([batch, 3, crop, crop], device: device) { generator.normal() }
        let inside = crop / 5..<crop * 4 / 5
        let mask = (0..<crop * crop).map { position -> Float in
            inside.contains(position / crop) && inside.contains(position % crop) ? 1 : 0
        }
        boxMask = .concatenated(
            [Tensor](repeating: Tensor(mask, [1, 1, crop, crop], device: device), count: batch))
        let sides: [Float] = [24, 64, 200, 200]
        areas = (0..<batch).map { sides[$0 % 4] * sides[$0 % 4] }
    }
}
