import Foundation
import Glibc
import Specs

/// The model files that come with the program.
public enum ModelFiles {
    public static let defaultName = "default"
    private static let files = [
        "default": "mal-vits14.safetensors", "tiny": "mal-vitt16.safetensors",
    ]

    /// The file behind `--checkpoint`: a path, a checkpoint folder of `mal train` (its student), or
    /// the name of a model that ships.
    /// - Throws: `LabelingError.wrongUse` when a shipped model is not beside the program, and when the
    ///   file belongs to a checkpoint of `mal train` and is not as it was written.
    public static func path(for checkpoint: String) throws -> String {
        guard let file = files[checkpoint] else {
            let student = checkpoint + "/student.safetensors"
            let path = access(student, R_OK) == 0 ? student : checkpoint
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

    /// The teacher of a checkpoint folder of `mal train`; nil for any other checkpoint.
    static func teacherPath(besides student: String, of checkpoint: String) -> String? {
        let teacher = checkpoint + "/teacher.safetensors"
        return student != checkpoint && access(teacher, R_OK) == 0 ? teacher : nil
    }

    /// Beside an installed program, then the folders above a built one.
    private static func searchFolders() -> [String] {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        var folder = program.deletingLastPathComponent()
        var folders = [folder.deletingLastPathComponent().path + "/share/mal/Models"]
        for _ in 0..<6 where folder.path != "/" {
            folders.append(folder.path + "/Models")
            folder = folder.deletingLastPathComponent()
        }
        return folders
    }
}
