package import Annotations
import Imaging
import Inference

/// Samples ready for a training step; made off the network's thread.
package struct TrainingBatch: Sendable {
    package let position: TrainingPosition
    /// Whether the next batch belongs to the next epoch.
    package let endsEpoch: Bool
    /// Samples of the epoch that were visited when this batch is done, by all processes.
    package let samplesInEpoch: Int
    package let annotationIDs: [RecordID]
    /// Positions in the annotation file.
    package let annotationIndices: [Int]
    /// Side S of the crops in pixels.
    package let cropSize: Int
    /// n·S·S·3, RGB rows: the student's images, augmented.
    package let image: [UInt8]
    /// n·S·S·3: the same crops without colour changes.
    package let teacherImage: [UInt8]
    /// n·S·S, 0/1: the boxes.
    package let mask: [UInt8]
    /// Which of the n have a true mask, ascending.
    package let truthRows: [Int]
    /// k·S·S, 0/1: these masks.
    package let truth: [UInt8]
    /// Box areas in image pixels, which choose the size buckets (SPEC §5).
    package let areas: [Float]
    /// Samples left out because their image could not be used.
    package let failures: [Failure]

    package struct Failure: Sendable, Equatable {
        /// Position in the annotation file.
        package let annotation: Int
        package let annotationID: RecordID
        package let reason: String
    }

    /// n, without the failures; 0 if all failed.
    package var count: Int { annotationIndices.count }

    init(
        position: TrainingPosition, samplesInEpoch: Int, set: TrainingSet, cropSize: Int,
        samples: [(annotation: Int, sample: Result<TrainingSample, TrainingSampleFault>)]
    ) {
        var ids: [RecordID] = []
        var indices: [Int] = []
        var image: [UInt8] = []
        var teacherImage: [UInt8] = []
        var mask: [UInt8] = []
        var truthRows: [Int] = []
        var truth: [UInt8] = []
        var areas: [Float] = []
        var failures: [Failure] = []
        let pixelCount = cropSize * cropSize
        image.reserveCapacity(samples.count * pixelCount * 3)
        teacherImage.reserveCapacity(samples.count * pixelCount * 3)
        mask.reserveCapacity(samples.count * pixelCount)
        for (index, result) in samples {
            let annotation = set.file.annotations[index]
            switch result {
            case .success(let sample):
                ids.append(annotation.id)
                indices.append(index)
                image += sample.image.pixels
                teacherImage += sample.teacherImage.pixels
                mask += sample.mask.pixels
                if let known = sample.truth {
                    truthRows.append(areas.count)
                    truth += known.pixels
                }
                areas.append(float32Area(of: annotation.box))
            case .failure(let fault):
                failures.append(
                    Failure(annotation: index, annotationID: annotation.id, reason: fault.reason))
            }
        }
        self.position = position
        self.samplesInEpoch = samplesInEpoch
        endsEpoch = samplesInEpoch == set.count
        self.cropSize = cropSize
        annotationIDs = ids
        annotationIndices = indices
        self.image = image
        self.teacherImage = teacherImage
        self.mask = mask
        self.truthRows = truthRows
        self.truth = truth
        self.areas = areas
        self.failures = failures
    }
}

/// Why a sample could not be made.
struct TrainingSampleFault: Error, Equatable {
    let reason: String
}
