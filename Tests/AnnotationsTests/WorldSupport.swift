import Annotations
import Formats
import Foundation
import Imaging
import Testing

/// What the suites of annotation tools' formats share.
extension TestFolder {
    /// Two images of 12×10: a polygon, a mask of two parts with a hole, a box, and nothing.
    func scene() throws -> AnnotationFile {
        try read(
            document(
                annotations: #"""
                    {"id": 11, "image_id": 1, "category_id": 3, "bbox": [1, 1, 3, 3],
                     "occluded": 1, "z_order": 2, "group_id": 7, "source": "auto",
                     "attributes": {"color": "a & <b>", "size": 3}, "score": 0.75,
                     "segmentation": [[1, 1, 4, 1, 4, 4, 1.5, 4]]},
                    {"id": 12, "image_id": 1, "category_id": 5, "bbox": [6, 2, 3, 3],
                     "segmentation": {"size": [10, 12],
                       "counts": [62, 3, 7, 1, 1, 1, 7, 3, 24, 1, 10]}},
                    {"id": 13, "image_id": 1, "category_id": 3, "bbox": [0.5, 7.25, 3, 2]}
                    """#,
                images: #"{"id": 1, "file_name": "in/a b.jpg", "width": 12, "height": 10}, "#
                    + #"{"id": 2, "file_name": "c.jpg", "width": 12, "height": 10}"#,
                categories:
                    #", "categories": [{"id": 3, "name": "ca\"t"}, {"id": 5, "name": "big dog"}]"#
            ))
    }

    @discardableResult
    func export(
        _ file: AnnotationFile, _ format: AnnotationFormat, _ name: String
    ) throws -> ExportReport {
        try AnnotationExport(format: format, path: path + "/" + name, options: ExportOptions())
            .write(file)
    }
}

/// A record's mask as pycocotools has it, or a dash.
func mask(_ file: AnnotationFile, _ place: Int) throws -> String {
    let record = file.annotations[place]
    let size = try #require(record.imageIndex.flatMap { file.images[$0].size })
    return try file.truth(of: record, imageSize: size)
        .map { String(decoding: $0.compressed, as: UTF8.self) } ?? "-"
}

func masks(_ file: AnnotationFile) throws -> [String] {
    try file.annotations.indices.map { try mask(file, $0) }
}

func json(_ file: AnnotationFile, _ place: Int) -> String {
    file.text(file.annotations[place].range)
}
