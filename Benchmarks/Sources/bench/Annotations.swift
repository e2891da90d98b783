import Annotations
import ArgumentParser
import Formats
import Foundation

/// Reads annotations of any format, and says how long it took and what memory.
struct Annotations: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reading of annotations, any format.")

    @Argument(help: "File or folder.")
    var path: String

    @Option(help: "Folder of the images.")
    var images: String?

    @Option(help: "File with the images and categories of a list of detections.")
    var imagesFrom: String?

    @Option(help: "COCO file to write of what was read.")
    var out: String?

    func run() throws {
        let start = ContinuousClock.now
        let file = try AnnotationFile.read(
            AnnotationSource(path: path, imagesDirectory: images, imagesFrom: imagesFrom))
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        print(
            "\(file.format.name): \(file.images.count) images, \(file.annotations.count) "
                + "annotations, "
                + String(format: "%.2f s (%.2f s of the processor), ", seconds, cpuSeconds())
                + "\(peakMemoryMib()) MiB")
        if let out { try AnnotationWriter(file).write(to: out) { _ in nil } }
    }
}
