/// Weights & Biases settings of a TAO spec. They are checked and then left alone.
package struct WandBSpec: Sendable, Equatable {
    package let isEnabled: Bool
    package let project: String
    package let entity: String
    package let tags: [String]
    package let reinitializes: Bool
    package let syncsTensorBoard: Bool
    package let savesCode: Bool
    package let name: String
    package let runID: String

    init(_ reader: SpecReader) {
        isEnabled = reader.flag("enable", default: true, "Report to Weights & Biases.")
        project = reader.text("project", default: "TAO Toolkit", "Project.")
        entity = reader.text("entity", default: "", "Team.")
        tags = reader.texts("tags", default: ["training", "tao-toolkit"], "Tags of the run.")
        reinitializes = reader.flag("reinit", default: false, "Start a new run in one process.")
        syncsTensorBoard = reader.flag(
            "sync_tensorboard", default: false, "Copy from TensorBoard.")
        savesCode = reader.flag("save_code", default: false, "Save the code.")
        name = reader.text("name", default: "TAO Toolkit training experiment", "Name of the run.")
        runID = reader.text("run_id", default: "", "Id of the run.")
    }
}
