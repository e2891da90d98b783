package import Annotations
import Specs

/// What journals hold for a plan: the batches that need no work, and where each box's result is.
///
/// A batch is done where a journal has results of exactly its boxes, made together, and the images are
/// what they were. So images that appeared, vanished or changed never shift other boxes' results: they
/// make other batches, which are labelled.
package struct LabelProgress {
    package let journals: [LabelJournal]
    package private(set) var completed: Set<Int> = []
    /// Images, by position in the file, with results that hold no more.
    package private(set) var changedImages: Set<Int> = []
    /// Images that are not there any more, but were when boxes got their results; these stay.
    package private(set) var goneImages: Set<Int> = []
    private let batchCount: Int
    /// By annotation: the journal that has its result; -1 = none.
    private var holders: [Int32]

    /// - Parameter directory: of the images.
    package init(
        _ journals: [LabelJournal], plan: BoxPlan, batches: BatchPlan, file: AnnotationFile,
        directory: String
    ) {
        self.journals = journals
        batchCount = batches.count
        holders = [Int32](repeating: -1, count: file.annotations.count)
        var images = KnownImages(file: file, directory: directory)
        for batch in 0..<batches.count {
            let boxes = batches.positions(ofBatch: batch).map { plan.boxes[$0].annotation }
            for (number, journal) in journals.enumerated()
            where !completed.contains(batch) && journal.holds(batchOf: boxes) {
                guard let first = boxes.first else { continue }
                let states = journal.images(ofBatchOf: first).map { read in
                    (read.image, images.state(of: read.image, read: read.identity))
                }
                changedImages.formUnion(states.filter { $0.1 == .changed }.map(\.0))
                goneImages.formUnion(states.filter { $0.1 == .gone }.map(\.0))
                guard !states.contains(where: { $0.1 == .changed }) else { continue }
                completed.insert(batch)
                for annotation in boxes { holders[annotation] = Int32(number) }
            }
        }
        for (annotation, _) in plan.unlabelled where holders[annotation] < 0 {
            keepResult(of: annotation, file, &images)
        }
    }

    /// A box whose image is gone is in no batch any more; what it got while the image was there stays.
    private mutating func keepResult(
        of annotation: Int, _ file: AnnotationFile, _ images: inout KnownImages
    ) {
        guard let image = file.annotations[annotation].imageIndex else { return }
        for (number, journal) in journals.enumerated() {
            let read = journal.images(ofBatchOf: annotation).first { $0.image == image }
            guard let read else { continue }
            switch images.state(of: image, read: read.identity) {
            case .gone:
                goneImages.insert(image)
                holders[annotation] = Int32(number)
                return
            case .changed: changedImages.insert(image)
            case .same: break
            }
        }
    }

    package var isComplete: Bool { completed.count == batchCount }

    package var missingBatchCount: Int { batchCount - completed.count }

    package func hasResult(annotation: Int) -> Bool { holders[annotation] >= 0 }

    /// The result of a box, read back; nil when it has none that holds.
    package func outcome(annotation: Int) throws -> BoxOutcome? {
        let holder = holders[annotation]
        return holder < 0 ? nil : try journals[Int(holder)].outcome(annotation: annotation)
    }

    package func removeJournals() {
        for journal in journals { journal.remove() }
    }
}

/// What became of images, each looked at once.
private struct KnownImages {
    let file: AnnotationFile
    let directory: String
    private var known: [Int: (read: ImageIdentity, state: ImageIdentity.State)] = [:]

    init(file: AnnotationFile, directory: String) {
        self.file = file
        self.directory = directory
    }

    mutating func state(of image: Int, read: ImageIdentity) -> ImageIdentity.State {
        if let found = known[image], found.read == read { return found.state }
        guard file.images.indices.contains(image),
            let path = try? file.images[image].relativePath()
        else { return .changed }
        let state = read.state(at: directory + "/" + path)
        known[image] = (read, state)
        return state
    }
}
