import Annotations
import Formats
import Imaging
public import Inference
public import Specs

/// What `mal validate` found.
public struct ValidationReport: Sendable {
    public let text: String
    public let findingCount: Int

    /// - Parameters:
    ///   - imagesDirectory: nil leaves the images alone.
    ///   - limit: how many findings the text holds.
    /// - Throws: `AnnotationError` when the file cannot be read at all or breaks its format.
    public init(
        boxesPath: String, imagesDirectory: String?, maxPixels: Int, appliesEXIF: Bool, limit: Int,
        input: InputOptions = InputOptions(), onEvent: RunEventHandler
    ) throws {
        if let imagesDirectory { try checkFolder(imagesDirectory, "--images") }
        let file = try AnnotationFile.read(
            input.source(boxesPath, imagesDirectory: imagesDirectory, appliesEXIF: appliesEXIF))
        var findings = file.problems.warnings.map(\.description)
        var count = file.problems.warningCount
        let masks = file.checkSegmentations()
        findings += (masks.errors + masks.warnings).map(\.description)
        count += masks.errorCount + masks.warningCount
        var imageLine = ""
        if let imagesDirectory {
            do {
                try requireImages(of: file, in: imagesDirectory)
            } catch {
                findings.insert("\(error)", at: 0)
                count += 1
            }
        }
        if let imagesDirectory {
            let plan = BoxPlan(
                file: file, imagesDirectory: imagesDirectory, selection: .all,
                decoding: DecodeOptions(maxPixels: maxPixels, applyEXIF: appliesEXIF),
                onEvent: onEvent)
            let broken = plan.brokenImages
            findings += broken.map {
                "\(file.path): image \(file.images[$0.image].id): \($0.reason)"
            }
            count += broken.count
            imageLine = ", \(plan.imageSizes.filter { $0 != nil }.count) images readable"
        }
        let shown = findings.prefix(max(limit, 0))
        var lines = file.problems.notes.map { "note: " + $0 } + shown
        if count > shown.count { lines.append("… and \(count - shown.count) more") }
        lines.append(
            "\(file.path) (\(file.format.name)): \(file.images.count) images, \(file.annotations.count) annotations, "
                + "\(file.categories.count) categories\(imageLine); "
                + (count == 0 ? "no problems" : "\(count) problems"))
        text = lines.joined(separator: "\n")
        findingCount = count
    }
}
