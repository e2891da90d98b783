/// Specs and documentation written from what the reader knows about each key.
package enum SpecText {
    /// A complete spec for `command` with every default, each key under a comment with its meaning
    /// and its values. Keys that the command does not use follow as comments.
    package static func template(for command: Spec.Command) -> String {
        let layout = SpecLayout.standard
        let used = layout.keys.filter { $0.usedBy.contains(command) }
        let unused = layout.keys.filter { !$0.usedBy.contains(command) }
        var lines = [
            "# Spec of `mal \(command.rawValue)`: every key it uses, with the default. A file",
            "# needs only the keys that differ. ??? stands where a value must be given.",
        ]
        var openSections: [String] = []
        for key in used {
            let path = key.name.split(separator: ".").map(String.init)
            let sections = Array(path.dropLast())
            let sharedCount = zip(sections, openSections).prefix { $0 == $1 }.count
            for depth in sharedCount..<sections.count {
                let name = sections[...depth].joined(separator: ".")
                let indent = String(repeating: "  ", count: depth)
                let summary = layout.sections.first { $0.name == name }?.summary ?? ""
                lines += ["", "\(indent)# \(summary)", "\(indent)\(sections[depth]):"]
            }
            openSections = sections
            let indent = String(repeating: "  ", count: sections.count)
            if sections.isEmpty { lines.append("") }
            lines += comment("\(key.summary) (\(key.values))", indent: indent)
            lines.append("\(indent)\(path[path.count - 1]): \(key.defaultValue)")
        }
        lines += ["", "# Accepted, but without effect on `mal \(command.rawValue)`:"]
        lines += unused.map { "# \($0.name): \($0.defaultValue)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What a spec says, as a spec file: every key that `command` uses, with its value.
    package static func yaml(of spec: Spec, for command: Spec.Command) -> String {
        let layout = SpecLayout.standard
        let values = Dictionary(
            spec.values.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        var lines = ["# The spec of a run of `mal \(command.rawValue)`, with overrides."]
        var open: [String] = []
        for key in layout.keys where key.usedBy.contains(command) {
            let path = key.name.split(separator: ".").map(String.init)
            let sections = Array(path.dropLast())
            let sharedCount = zip(sections, open).prefix { $0 == $1 }.count
            for depth in sharedCount..<sections.count {
                lines.append(String(repeating: "  ", count: depth) + sections[depth] + ":")
            }
            open = sections
            let value = values[key.name] ?? key.defaultValue
            lines.append(
                String(repeating: "  ", count: sections.count) + "\(path[path.count - 1]): \(value)"
            )
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func comment(_ text: String, indent: String) -> [String] {
        let width = 100
        var lines: [String] = []
        var line = "\(indent)#"
        for word in text.split(separator: " ") {
            if line.count + 1 + word.count > width {
                lines.append(line)
                line = "\(indent)#"
            }
            line += " \(word)"
        }
        return lines + [line]
    }

    /// docs/spec.md.
    package static func markdown() -> String {
        let layout = SpecLayout.standard
        var lines = [introduction]
        let sections =
            [SpecLayout.Section(name: "", summary: "Keys outside all sections.")] + layout.sections
        for section in sections {
            let keys = layout.keys.filter { $0.section == section.name }
            lines.append("## \(section.name.isEmpty ? "Top level" : "`\(section.name)`")\n")
            lines.append("\(section.summary)\n")
            lines.append("| key | default | values | used by | meaning |")
            lines.append("| --- | --- | --- | --- | --- |")
            lines += keys.map(row)
            lines.append("")
        }
        lines.append(oldSpellings)
        return lines.joined(separator: "\n")
    }

    private static func row(_ key: SpecKey) -> String {
        let name = key.name.split(separator: ".").last.map(String.init) ?? key.name
        let commands = Spec.Command.allCases.filter(key.usedBy.contains).map(\.rawValue)
        let users =
            commands.isEmpty
            ? "no effect"
            : commands.count == Spec.Command.allCases.count
                ? "all" : commands.joined(separator: ", ")
        let origin = key.isOurs ? " Ours, not TAO's." : ""
        let cells = ["`\(name)`", "`\(key.defaultValue)`", key.values, users, key.summary + origin]
        return "| \(cells.joined(separator: " | ")) |"
    }

    private static let introduction = """
        # Spec files

        `mal train`, `mal evaluate`, `mal inference` and `mal auto-label generate` read TAO's MAL
        spec files unchanged. This page is written by `mal spec markdown` from the code that reads
        them; a test holds the two together. `mal spec train|evaluate|inference` prints a complete
        spec.

        - A file is YAML, and every key has a default, so it holds only what differs. Types are
          OmegaConf's: `1e-6` is a number, `yes` is true, a whole number may stand for a fraction, a
          quoted number is a number. `???` is a value that is still missing; that is an error only
          for a command that needs it.
        - An unknown key, a wrong type and a value out of range are errors. All of them are listed
          at once, with file and line.
        - `key=value` after the command overrides the file, as in Hydra: `train.lr=1e-4`,
          `model.frozen_stages=[0,1]`, `train.cudnn={benchmark: true}`, `evaluate.results_dir=null`,
          `inference.img_dir='a, b'`. `+` and `++` before the key change nothing; `~key` is refused.
          Options such as `--results-dir` go over both.
        - `${dataset.val_img_dir}` is the value of another key, `${oc.env:NAME}` and
          `${oc.env:NAME,default}` a variable of the environment. Other interpolations are refused.
        - Aliases are allowed (24 in a file); merge keys (`<<`) and other tags are not.
        - A command writes to `<command>.results_dir`, else to `results_dir/<command>`.
          `inference.label_dump_path` is a path inside it, unless it is absolute.
        - "used by" tells whose result a key can change. Keys without effect are checked
          all the same.

        """

    private static var oldSpellings: String {
        let rows = SpecSpelling.table.map { "| `\($0.old)` | \($0.new) | \($0.origin) |" }
        return """
            ## Old spellings

            Read with a warning; the present spelling wins where a file has both.

            | key | read as | of |
            | --- | --- | --- |
            \(rows.joined(separator: "\n"))

            """
    }
}

extension SpecKey {
    /// The dotted name of its section, empty for a key outside all sections.
    package var section: String {
        name.split(separator: ".").dropLast().joined(separator: ".")
    }
}
