import Annotations
import Imaging
import Inference
import MaskModel
import Testing
import TestSupport

@Suite struct MeanIoUTests {
    private struct Results: Decodable {
        let ids: [Int64]
        let ious: [Double]
        let maskCounts: [String]
        let logged: [String: Double?]
        let areaMeans: [Double]

        private enum CodingKeys: String, CodingKey {
            case ids, ious, logged
            case maskCounts = "mask_counts"
            case areaMeans = "area_mIoU_without_indexing_bug"
        }
    }

    @Test("IoUs and class means equal the reference's for all its option sets")
    func fixtures() throws {
        let file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        let sets = try decode([String: Results].self, "eval_results.json")
        #expect(sets.count == 10)
        for (name, results) in sets {
            var metrics = MeanIoU(categoryCount: file.categories.count)
            for (place, id) in results.ids.enumerated() {
                let annotation = try #require(
                    file.annotations.first { $0.id == .integer(id) })
                let size = try #require(annotation.imageIndex.flatMap { file.images[$0].size })
                let truth = try #require(try file.truth(of: annotation, imageSize: size))
                let mask = try RLE(size: size, compressed: results.maskCounts[place])
                let iou = mask.referenceIoU(with: truth)
                #expect(abs(iou - results.ious[place]) < 1e-12, "\(name) \(id)")
                metrics.add(
                    iou: iou, category: try #require(annotation.categoryIndex),
                    bucket: SizeBucket(annotation.box))
            }
            // The reference sums in single precision.
            let mean = try #require(metrics.overall.classMean)
            #expect(abs(mean - (try #require(results.logged["val/mIoU"] ?? nil))) < 2e-6, "\(name)")
            for bucket in SizeBucket.allCases {
                let mean = try #require(metrics[bucket].classMean)
                let expected = results.areaMeans[bucket.rawValue]
                #expect(abs(mean - expected) < 2e-6, "\(name) \(bucket)")
            }
            let instance = results.ious.reduce(0, +) / Double(results.ious.count)
            #expect(abs((metrics.overall.instanceMean ?? 0) - instance) < 1e-12)
            #expect(metrics.overall.count == results.ious.count)
            #expect(metrics.categories.map(\.count).reduce(0, +) == results.ious.count)
        }
    }

    @Test("buckets are open below and closed above")
    func buckets() {
        #expect(SizeBucket(area: 0) == nil)
        #expect(SizeBucket(area: 1024) == .small)
        #expect(SizeBucket(area: 1024.1) == .medium)
        #expect(SizeBucket(area: 9216) == .medium)
        #expect(SizeBucket(area: 1e10) == .large)
        #expect(SizeBucket(area: 1.1e10) == nil)
        #expect(SizeBucket(area: .nan) == nil)
    }

    @Test("no objects give no mean")
    func empty() {
        let metrics = MeanIoU(categoryCount: 2)
        #expect(metrics.overall.classMean == nil && metrics.overall.count == 0)
        #expect(metrics[.large].instanceMean == nil)
    }
}
