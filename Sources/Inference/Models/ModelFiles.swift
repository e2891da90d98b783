import Files
import Foundation
import Glibc
import Specs

/// The model files that come with the program.
package enum ModelFiles {
    package static let defaultName = "default"
    private static let files = [
        "default": "mal-vits14.safetensors", "tiny": "mal-vitt16.safetensors",
    ]

    /// Whether a model of this name comes with the program.
    package static func isShipped(_ name: String) -> Bool { files[name] != nil }

    /// The file behind `--checkpoint`: a path, a checkpoint folder of `mal train` (its student), or
    /// the name of a model that ships.
    /// - Throws: `LabelingError.wrongUse` when a shipped model is not beside the program, and when the
    ///   file belongs to a checkpoint of `mal train` and is not as it was written.
    package static func path(for checkpoint: String) throws -> String {
        guard let file = files[checkpoint] else {
            let student = checkpoint + "/student.safetensors"
            let path = access(student, R_OK) == 0 ? student : checkpoint
            if path == checkpoint, let reason = fault(of: path) {
                throw LabelingError.wrongUse(reason)
            }
            _ = try TrainingCheckpoint.stateAfterCheck(ofFile: path)
            return path
        }
        let folders = searchFolders()
        for folder in folders where access(folder + "/" + file, R_OK) == 0 {
            return folder + "/" + file
        }
        throw LabelingError.wrongUse(
            "the model \(file) was not found in share/mal/Models beside the program or in a folder "
                + "Models above it; give a file with --checkpoint")
    }

    /// What is wrong with a checkpoint that is not there, or is the folder of a whole run: names those beside
    /// it or in it. Nil where there is nothing better to say than that it can't be opened.
    package static func fault(of checkpoint: String) -> String? {
        var status = stat()
        let isThere = stat(checkpoint, &status) == 0
        guard !isThere || status.st_mode & S_IFMT == S_IFDIR else { return nil }
        let beside = checkpoint.folderPath.isEmpty ? "." : checkpoint.folderPath
        let found = (isThere ? [checkpoint, checkpoint + "/train"] : [beside])
            .flatMap { [$0 + "/model_best", $0 + "/model_latest"] }
            .filter { access($0 + "/student.safetensors", R_OK) == 0 }
        if !found.isEmpty {
            return "\(checkpoint): "
                + (isThere ? "the folder of a run; its checkpoints: " : "no such file; beside it: ")
                + found.joined(separator: ", ")
        }
        let isName = files[checkpoint] == nil && !checkpoint.contains { "/.".contains($0) }
        guard !isThere, isName else { return nil }
        let names = files.keys.sorted().joined(separator: ", ")
        return "\(checkpoint): no such file; the models that come with mal are \(names)"
    }

    /// The teacher of a checkpoint folder of `mal train`; nil for any other checkpoint.
    package static func teacherPath(besides student: String, of checkpoint: String) -> String? {
        let teacher = checkpoint + "/teacher.safetensors"
        return student != checkpoint && access(teacher, R_OK) == 0 ? teacher : nil
    }

    /// Beside an installed program, then the folders above a built one, then this package's own.
    private static func searchFolders(source: String = #filePath) -> [String] {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        var folder = program.deletingLastPathComponent()
        var folders = [folder.deletingLastPathComponent().path + "/share/mal/Models"]
        for _ in 0..<6 where folder.path != "/" {
            folders.append(folder.path + "/Models")
            folder = folder.deletingLastPathComponent()
        }
        // Of a program that depends on the package: Sources/Inference/Models/ModelFiles.swift.
        let package = (0..<4).reduce(source) { path, _ in path.folderPath }
        return folders + [package + "/Models"]
    }
}
