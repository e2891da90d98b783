import Annotations
import Foundation
import Imaging
import Specs
import Testing
import TestSupport
import Training

@Suite struct TrainingBatchLoaderTests {
    private let settings = TrainingSampleSettings(cropSize: 32)

    private func loader(
        _ set: TrainingSet, batchSize: Int = 4, seed: UInt64 = 9,
        start: TrainingPosition = TrainingPosition(), epochCount: Int = 2, taskCount: Int = 2
    ) -> TrainingBatchLoader {
        TrainingBatchLoader(
            set: set, settings: settings, batchSize: batchSize, seed: seed, start: start,
            epochCount: epochCount, taskCount: taskCount)
    }

    private func batches(_ loader: TrainingBatchLoader) async -> [TrainingBatch] {
        var loader = loader
        var batches: [TrainingBatch] = []
        while let batch = await loader.next() { batches.append(batch) }
        return batches
    }

    @Test("each epoch has every sample once; shapes fit; the last batch is smaller")
    func epochs() async throws {
        let set = try TrainingSetTests.set()
        let all = await batches(loader(set))
        #expect(all.map(\.position.epoch) == [0, 0, 0, 0, 1, 1, 1, 1])
        #expect(all.map(\.position.batch) == [0, 1, 2, 3, 0, 1, 2, 3])
        #expect(all.map(\.count) == [4, 4, 4, 1, 4, 4, 4, 1])
        #expect(all.map(\.endsEpoch) == [false, false, false, true, false, false, false, true])
        for epoch in 0..<2 {
            let indices = all[epoch * 4..<epoch * 4 + 4].flatMap(\.annotationIndices)
            #expect(indices.sorted() == set.annotations)
        }
        for batch in all {
            #expect(batch.image.count == batch.count * 32 * 32 * 3)
            #expect(batch.teacherImage.count == batch.image.count)
            #expect(batch.mask.count == batch.count * 32 * 32)
            #expect(Set(batch.mask) == [0, 1])
            #expect(
                batch.annotationIDs == batch.annotationIndices.map { set.file.annotations[$0].id })
            #expect(
                batch.areas
                    == batch.annotationIndices.map {
                        let box = set.file.annotations[$0].box
                        return (Float(box.maxY) - Float(box.minY))
                            * (Float(box.maxX) - Float(box.minX))
                    })
            #expect(batch.failures.isEmpty)
        }
        // The second epoch's random numbers are others.
        #expect(all[3].teacherImage != all[7].teacherImage)
        let images = all.map { ($0.image, $0.teacherImage) }
        #expect(images.contains { $0 != $1 })
    }

    @Test("a batch has the true masks of the reviewed, beside the same crops and boxes")
    func truth() async throws {
        let folder = try TemporaryFolder()
        let plain = #""segmentation": [[20, 30, 120, 30, 120, 120]]"#
        let path = try TrainingSetTests.reviewed(
            in: folder,
            (0..<6).map { $0 % 2 == 0 ? plain : plain + ", " + TrainingSetTests.accepted })
        let without = await batches(loader(try TrainingSetTests.set(path)))
        let with = await batches(loader(try TrainingSetTests.set(path, masks: .reviewed)))
        expectSame(with, without[...])
        #expect(without.allSatisfy { $0.truth.isEmpty && $0.truthRows.isEmpty })
        for batch in with {
            #expect(
                batch.truthRows
                    == batch.annotationIndices.indices.filter {
                        batch.annotationIndices[$0] % 2 == 1
                    })
            #expect(batch.truth.count == batch.truthRows.count * 32 * 32)
            for (place, row) in batch.truthRows.enumerated() {
                let truth = batch.truth[place * 32 * 32..<(place + 1) * 32 * 32]
                let box = batch.mask[row * 32 * 32..<(row + 1) * 32 * 32]
                // Half of the box, which has a pixel more on two sides.
                let share = Double(truth.count { $0 == 1 }) / Double(box.count { $0 == 1 })
                #expect((0.4...0.6).contains(share))
                #expect(zip(truth, box).allSatisfy { $0 <= $1 })
            }
        }
        #expect(with.contains { !$0.truthRows.isEmpty && $0.truthRows.count < $0.count })
        let all = await batches(loader(try TrainingSetTests.set(path, masks: .all)))
        #expect(all.allSatisfy { $0.truthRows.count == $0.count })
    }

    @Test("the same batches for any number of tasks", arguments: [0, 1, 3, 8])
    func taskCounts(taskCount: Int) async throws {
        let set = try TrainingSetTests.set()
        let expected = await batches(loader(set))
        let found = await batches(loader(set, taskCount: taskCount))
        expectSame(found, expected[...])
        let other = await batches(loader(set, seed: 10, taskCount: taskCount))
        #expect(other[0].image != expected[0].image)
    }

    @Test("continued at any place, the rest is the same")
    func resume() async throws {
        let set = try TrainingSetTests.set()
        let expected = await batches(loader(set))
        for (done, batch) in expected.enumerated() {
            expectSame(
                await batches(loader(set, start: batch.position, taskCount: 3)), expected[done...])
        }
        // One behind an epoch's last is the next epoch's first.
        let next = TrainingPosition(epoch: 0, batch: 4)
        expectSame(await batches(loader(set, start: next)), expected[4...])
        #expect(await batches(loader(set, start: TrainingPosition(epoch: 2))).isEmpty)
        #expect(await batches(loader(set, start: TrainingPosition(epoch: 1, batch: 99))).isEmpty)
    }

    @Test("a sample does not depend on what else is in its batch")
    func batchSizes() async throws {
        let set = try TrainingSetTests.set()
        let small = await batches(loader(set, batchSize: 1, epochCount: 1))
        let large = await batches(loader(set, batchSize: 50, epochCount: 1))
        #expect(small.count == 13 && large.count == 1)
        #expect(small.flatMap(\.annotationIDs) == large[0].annotationIDs)
        #expect(small.flatMap(\.image) == large[0].image)
        #expect(small.flatMap(\.mask) == large[0].mask)
    }

    @Test("broken and vanished images are failures of their batch, the others are unharmed")
    func brokenImages() async throws {
        let folder = try TemporaryFolder()
        let images = folder.path + "/images"
        try FileManager.default.copyItem(atPath: fixture("coco/images"), toPath: images)
        let set = try TrainingSetTests.set(images: images)
        let expected = await batches(loader(set, epochCount: 1))
        try FileManager.default.removeItem(atPath: images + "/a.png")
        try FileManager.default.removeItem(atPath: images + "/c_gray.png")
        try FileManager.default.copyItem(
            atPath: images + "/d_rgba.png", toPath: images + "/c_gray.png")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: images + "/d_rgba.png"))
        try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: images + "/d_rgba.png"))
        #expect(
            set.brokenImages().map { set.file.images[$0.image].fileName } == [
                "a.png", "c_gray.png",
            ])

        let found = await batches(loader(set, epochCount: 1))
        let failures = found.flatMap(\.failures)
        #expect(failures.count == 9 && found.reduce(0) { $0 + $1.count } == 4)
        #expect(failures.contains { $0.reason.contains("a.png") })
        #expect(failures.contains { $0.reason.contains("annotation file says") })
        #expect(
            failures.contains { $0.reason.contains("truncated") || $0.reason.contains("damaged") })
        for (before, after) in zip(expected, found) {
            #expect(before.position == after.position && before.endsEpoch == after.endsEpoch)
            #expect(after.image.count == after.count * 32 * 32 * 3)
            let side = 32 * 32 * 3
            for (place, annotation) in after.annotationIndices.enumerated() {
                let old = try #require(before.annotationIndices.firstIndex(of: annotation))
                #expect(
                    after.image[place * side..<(place + 1) * side]
                        == before.image[old * side..<(old + 1) * side])
            }
            for failure in after.failures {
                #expect(failure.annotationID == set.file.annotations[failure.annotation].id)
            }
        }
    }

    @Test("any number of ranks makes the batches of one, none twice and none left out")
    func ranks() async throws {
        let set = try TrainingSetTests.set()
        let whole = await batches(loader(set, batchSize: 6))
        for count in 1...5 {
            var parts: [[TrainingBatch]] = []
            for rank in 0..<count {
                parts.append(
                    await batches(
                        TrainingBatchLoader(
                            set: set, settings: settings, batchSize: 6, seed: 9, epochCount: 2,
                            taskCount: 1, rank: rank, rankCount: count)))
            }
            for (place, batch) in whole.enumerated() {
                let shares = parts.map { $0[place] }
                #expect(shares.flatMap(\.annotationIndices) == batch.annotationIndices)
                #expect(shares.flatMap(\.image) == batch.image)
                #expect(shares.flatMap(\.teacherImage) == batch.teacherImage)
                #expect(shares.allSatisfy { $0.endsEpoch == batch.endsEpoch })
                #expect(shares.allSatisfy { $0.samplesInEpoch == batch.samplesInEpoch })
                let sizes = shares.map(\.count)
                #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
            }
        }
    }

    @Test("an epoch goes on with other batches where it was left")
    func otherBatches() async throws {
        let set = try TrainingSetTests.set()
        let whole = await batches(loader(set, batchSize: 1))
        let first = await batches(loader(set, batchSize: 3)).prefix(2)
        #expect(first.last?.samplesInEpoch == 6)
        let rest = await batches(
            TrainingBatchLoader(
                set: set, settings: settings, batchSize: 4, seed: 9,
                start: TrainingPosition(epoch: 0, batch: 2), firstSample: 6, epochCount: 2,
                taskCount: 1))
        #expect(
            (first + rest).flatMap(\.annotationIndices) == whole.flatMap(\.annotationIndices))
        #expect((first + rest).flatMap(\.image) == whole.flatMap(\.image))
        #expect(rest.map(\.count) == [4, 3, 4, 4, 4, 1])
        #expect(rest.map(\.endsEpoch) == [false, true, false, false, false, true])
        #expect(rest.map(\.position.epoch) == [0, 0, 1, 1, 1, 1])
    }

    @Test("no samples, no batches; a cancelled loader ends")
    func ends() async throws {
        let none = try TrainingSetTests.set(minArea: 1e9)
        #expect(none.count == 0)
        #expect(await batches(loader(none)).isEmpty)
        var cancelled = loader(try TrainingSetTests.set(), epochCount: 1_000_000)
        #expect(await cancelled.next() != nil)
        cancelled.cancel()
        #expect(await cancelled.next() == nil)
    }

    private func expectSame(
        _ found: [TrainingBatch], _ expected: ArraySlice<TrainingBatch>,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(found.count == expected.count, sourceLocation: sourceLocation)
        for (found, expected) in zip(found, expected) {
            let isSame =
                found.position == expected.position && found.endsEpoch == expected.endsEpoch
                && found.annotationIDs == expected.annotationIDs
                && found.image == expected.image && found.teacherImage == expected.teacherImage
                && found.mask == expected.mask && found.areas == expected.areas
            #expect(isSame, "\(expected.position)", sourceLocation: sourceLocation)
        }
    }
}
