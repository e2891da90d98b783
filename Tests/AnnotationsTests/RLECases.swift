/// `rle_cases.json`: what pycocotools 2.0.8 does.
struct RLECases: Decodable {
    struct MaskCase: Decodable {
        let name: String
        let size: [Int]
        let runs: [UInt32]
        let counts: String
        let area: Int
        let bbox: [Double]
    }

    struct PolygonCase: Decodable {
        let name: String
        let h, w: Int
        let polygons: [[Double]]
        let rles: [String]
        let merged: String
        let area: Int
        let bbox: [Double]
    }

    struct MergeCase: Decodable {
        let inputs: [String]
        let size: [Int]
        let union: String
        let intersect: String
        let iou: [[Double]]
        let iouNoCrowd: [[Double]]

        private enum CodingKeys: String, CodingKey {
            case inputs, size, union, intersect, iou
            case iouNoCrowd = "iou_nocrowd"
        }
    }

    let masks: [MaskCase]
    let polygons: [PolygonCase]
    let merge: MergeCase
}
