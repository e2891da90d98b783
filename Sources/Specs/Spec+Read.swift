import Foundation

extension Spec {
    /// Reads a spec file, `key=value` overrides on top of it, and the options of a command on top
    /// of both.
    ///
    /// - Parameters:
    ///   - path: a YAML file, or `nil` for the defaults.
    ///   - overrides: in Hydra's grammar, dotted: `train.lr=1e-4`, `model.frozen_stages=[0,1]`.
    ///   - settings: what options such as `--batch-size` set.
    ///   - command: decides which mandatory keys must have a value.
    ///   - environment: for `${oc.env:NAME}`; the process's own when `nil`.
    /// - Returns: the spec, and lines to show the user: old spellings, keys that contradict.
    /// - Throws: every problem at once.
    package static func read(
        path: String?, overrides: [String] = [], settings: [SpecSetting] = [], command: Command,
        environment: [String: String]? = nil
    ) throws(SpecError) -> (spec: Spec, warnings: [String]) {
        let file: SpecFile? = if let path { try SpecFile(path: path) } else { nil }
        return try read(
            file, overrides, settings, command,
            environment ?? ProcessInfo.processInfo.environment)
    }

    /// The same from text. `name` is what messages call it.
    package static func read(
        text: String, name: String, overrides: [String] = [], settings: [SpecSetting] = [],
        command: Command, environment: [String: String] = [:]
    ) throws(SpecError) -> (spec: Spec, warnings: [String]) {
        try read(SpecFile(text: text, name: name), overrides, settings, command, environment)
    }

    /// The spec that has nothing but defaults.
    package static var standard: Spec { Spec(SpecReader()) }

    /// Every key, in the order of documentation.
    package static var keys: [SpecKey] { SpecLayout.standard.keys }

    private static func read(
        _ file: SpecFile?, _ arguments: [String], _ settings: [SpecSetting], _ command: Command,
        _ environment: [String: String]
    ) throws(SpecError) -> (spec: Spec, warnings: [String]) {
        var overrides: [SpecOverride] = []
        var malformed: [SpecError.Problem] = []
        for argument in arguments {
            do {
                overrides.append(try SpecOverride(argument))
            } catch {
                malformed += error.problems
            }
        }
        let layout = SpecLayout.standard
        let input = SpecInput(
            file: file, overrides: overrides, settings: settings, layout: layout, command: command)
        let reader = SpecReader(
            input, command: command, layout: layout, environment: environment)
        let spec = Spec(reader)
        let found = (input.problems + reader.problems).enumerated().sorted {
            let (first, second) = ($0.element.place.order, $1.element.place.order)
            return (first.0, first.1, $0.offset) < (second.0, second.1, $1.offset)
        }
        let problems =
            found.map {
                SpecError.Problem(
                    place: $0.element.place.description, message: $0.element.message,
                    isOfCommandLine: $0.element.place.isOfCommandLine)
            } + malformed
        guard problems.isEmpty else { throw SpecError(problems) }
        let unused = settings.filter { $0.key == "encryption_key" }.map {
            "\($0.source) has no effect: mal neither encrypts nor decrypts models"
        }
        let warnings = input.warnings + unused
        return (spec, warnings + spec.gpus(for: command).warnings(for: command, input.name))
    }
}
