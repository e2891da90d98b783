package import Annotations
import Files
import Foundation
import Glibc
import Specs

/// What a run reads and what it writes, compared by device and inode before any work: nothing is
/// written over what is read, into it or around it.
package struct RunPaths {
    package enum Output {
        case file
        /// Replaced as a whole.
        case folder
        /// A folder that gets files among others.
        case files([String])
    }

    package init() {}

    private var inputs: [(what: String, path: String, chain: [String])] = []
    private var outputs: [(what: String, path: String, kind: Output, chain: [String])] = []
    /// The folders of a data set's files, by the file or folder that was named.
    private var dataSets: [String: Set<String>] = [:]
    private var photographs: (folder: String, chain: [String], names: [String])?

    /// A file or folder that is read.
    package mutating func reads(_ what: String, _ path: String?) {
        if let path { inputs.append((what, path, Self.chain(path))) }
    }

    /// What annotations were read from: the file or folder that was named, and its files.
    package mutating func reads(_ what: String, _ file: AnnotationFile) {
        // What lies in the folder is looked at with it.
        for path in file.sourceFiles where !path.hasPrefix(file.path + "/") { reads(what, path) }
        let folders = Set(file.sourceFiles.map(\.folderPath)).compactMap {
            Self.key($0.isEmpty ? "." : $0)
        }
        dataSets[Self.chain(file.path)[0]] = Set(folders)
    }

    /// The images that annotations name. Their folder may get other files.
    package mutating func readsImages(_ folder: String?, of file: AnnotationFile) {
        guard let folder else { return }
        let names = file.images.compactMap { try? $0.relativePath() }
        photographs = (folder, Self.chain(folder), names)
    }

    package mutating func writes(_ what: String, _ path: String?, as kind: Output = .file) {
        if let path { outputs.append((what, path, kind, Self.chain(path))) }
    }

    /// What a labelling run reads and writes itself.
    package mutating func add(
        _ request: LabelRequest, _ file: AnnotationFile, hasBoxes: Bool = true, imagesFrom: String?
    ) throws {
        let output = request.outputPath
        if hasBoxes { reads("boxes", file) }
        reads("images and categories", imagesFrom)
        readsImages(request.imagesDirectory, of: file)
        if !request.checkpointPath.isEmpty { reads("checkpoint", request.checkpointPath) }
        writes("masks", output)
        for path in StandingOutput.sidecars(output) { writes("list", path) }
        writes("journal", Labeler.journalPath(forOutput: output))
        if let path = request.featuresPath {
            writes("features", path)
            let place = try OutputPlace(path)
            try OwnFiles.check([place.name], in: place.folder)
        }
        if let directory = request.overlaysDirectory {
            let names = OverlayNames(file).all.compactMap { $0 }
            writes("overlays", directory, as: .files(names))
            try OwnFiles.check(names, in: directory)
        }
    }

    /// - Throws: `LabelingError.wrongUse` that names both.
    package func check() throws {
        for (place, output) in outputs.enumerated() {
            if let reason = OutputPlace.fault(in: output.path) {
                throw LabelingError.wrongUse("\(output.what) \(printable(output.path)): \(reason)")
            }
            for input in inputs { try compare(output, with: input) }
            try comparePhotographs(with: output)
            if case .files(let names) = output.kind { try compare(names, in: output) }
            for other in outputs[..<place] { try compare(output, with: other) }
        }
    }

    private func compare(
        _ output: (what: String, path: String, kind: Output, chain: [String]),
        with input: (what: String, path: String, chain: [String])
    ) throws {
        let (written, read) = (
            "the output \(output.what) \(output.path)", "the input \(input.what) \(input.path)"
        )
        if output.chain[0] == input.chain[0] {
            throw LabelingError.wrongUse("\(written) is \(read); give another name")
        }
        // Beside the files of a data set, in a folder of their own, there is room for others.
        var place = output.chain[0]
        if case .file = output.kind { place = output.chain.dropFirst().first ?? place }
        let mayLieIn =
            dataSets[input.chain[0]].map { place != input.chain[0] && !$0.contains(place) } ?? false
        if !mayLieIn, output.chain.dropFirst().contains(input.chain[0]) {
            throw LabelingError.wrongUse("\(written) lies in \(read); give another name")
        }
        if case .folder = output.kind, input.chain.dropFirst().contains(output.chain[0]) {
            throw LabelingError.wrongUse("\(written) holds \(read); give another name")
        }
    }

    private func compare(
        _ output: (what: String, path: String, kind: Output, chain: [String]),
        with other: (what: String, path: String, kind: Output, chain: [String])
    ) throws {
        func isIn(_ inner: [String], _ outer: [String], _ kind: Output) -> Bool {
            if case .folder = kind { inner.contains(outer[0]) } else { inner[0] == outer[0] }
        }
        guard
            isIn(output.chain, other.chain, other.kind)
                || isIn(other.chain, output.chain, output.kind)
        else { return }
        throw LabelingError.wrongUse(
            "the outputs \(other.what) \(other.path) and \(output.what) \(output.path) are in each "
                + "other's place; give another name")
    }

    private func comparePhotographs(
        with output: (what: String, path: String, kind: Output, chain: [String])
    ) throws {
        guard let photographs else { return }
        let written = "the output \(output.what) \(output.path)"
        let isAround =
            switch output.kind {
            case .file: false
            case .folder: photographs.chain.contains(output.chain[0])
            case .files: photographs.chain[0] == output.chain[0]
            }
        if isAround {
            throw LabelingError.wrongUse(
                "\(written) holds the input images \(photographs.folder); give another name")
        }
        if case .file = output.kind, let image = photograph(output.path) {
            throw LabelingError.wrongUse(
                "\(written) is the input image \(image); give another name")
        }
    }

    /// The files that a folder gets among others.
    private func compare(
        _ names: [String],
        in output: (what: String, path: String, kind: Output, chain: [String])
    ) throws {
        for name in names {
            let path = output.path + "/" + name
            if let reason = OutputPlace.fault(in: path) {
                throw LabelingError.wrongUse("\(output.what) \(printable(path)): \(reason)")
            }
            guard let key = Self.key(path) else { continue }
            let input = inputs.first { $0.chain[0] == key }?.path ?? photograph(path)
            if let input {
                throw LabelingError.wrongUse(
                    "the output \(output.what) \(path) is the input \(input); give another name")
            }
        }
    }

    /// The photograph that a file is; nil for one that is none, or is not there.
    private func photograph(_ path: String) -> String? {
        guard let photographs, let key = Self.key(path) else { return nil }
        return photographs.names.lazy.map { photographs.folder + "/" + $0 }
            .first { Self.key($0) == key }
    }

    /// What tells a file or folder from all others, and the same of each folder around it. One that
    /// is not there yet has its name after the folder's.
    private static func chain(_ path: String) -> [String] {
        var text = path
        var missing: [String] = []
        while key(text) == nil, text != ".", text.contains(where: { $0 != "/" }) {
            missing.insert(text.fileName, at: 0)
            text = text.folderPath
            if text.isEmpty { text = "." }
        }
        var chain: [String] = []
        var folder = realpath(text, nil).map { real in
            defer { free(real) }
            return String(cString: real)
        }
        while let path = folder, let key = key(path) {
            chain.append(key)
            folder = path == "/" ? nil : path.folderPath
        }
        var base = chain.first ?? ""
        for name in missing {
            base += "/" + name
            chain.insert(base, at: 0)
        }
        return chain.isEmpty ? [path] : chain
    }

    package static func isSame(_ first: String, _ second: String) -> Bool {
        key(first) != nil && key(first) == key(second)
    }

    private static func key(_ path: String) -> String? {
        var status = stat()
        return stat(path, &status) == 0 ? "\(status.st_dev):\(status.st_ino)" : nil
    }
}
