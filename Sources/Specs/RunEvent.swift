/// What a long job tells the outside while it runs. The console, logs and tests are closures over
/// these.
public enum RunEvent: Equatable, Sendable {
    /// A sentence worth showing once.
    case note(String)
    /// Something the user should look at; the job goes on.
    case warning(String)
    /// `done` of `total` `unit`s in the named stage.
    case progress(stage: String, done: Int, total: Int, unit: String)
}

public typealias RunEventHandler = @Sendable (RunEvent) -> Void
