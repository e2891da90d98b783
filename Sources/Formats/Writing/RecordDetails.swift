import Annotations
import Files

/// What annotation tools say about a record beside its class, box and mask, wherever it came from.
struct RecordDetails {
    let isOccluded: Bool
    let order: Int
    /// Records of one group belong together; 0 is none.
    let group: Int
    /// Who made it: `manual`, `auto`, `file`.
    let source: String?
    let attributes: [(name: String, value: JSONValue)]
    private let members: JSONObject

    init(_ record: AnnotationRecord, in file: AnnotationFile) {
        members = JSONValue(file.bytes, record.range).members
        attributes = (members["attributes"]?.members.all ?? []).map { ($0.key, $0.value) }
        let occluded = members["occluded"] ?? members["attributes"]?["occluded"]
        isOccluded = occluded.map { $0.boolean ?? ($0.number.map { $0 > 0 } ?? false) } ?? false
        order = members["z_order"]?.integer ?? 0
        group = members["group_id"]?.integer ?? 0
        source = members["source"]?.text
    }

    subscript(key: String) -> JSONValue? { members[key] }
}

extension AnnotationFile {
    /// The categories as the file has them, in its order.
    func categoryMembers() -> [JSONObject] {
        AnnotationWriter(self).ranges(of: "categories").map { JSONValue(bytes, $0).members }
    }
}
