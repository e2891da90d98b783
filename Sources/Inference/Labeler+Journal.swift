import Annotations
import Files
import Specs

extension Labeler {
    /// Opens or begins a journal of this run, and tells what of it differs from before.
    func openJournal(
        _ path: String, _ file: AnnotationFile, mode: JournalMode? = nil
    ) throws -> LabelJournal {
        let journal = try LabelJournal(
            path: path, fingerprint: try request.fingerprint(file),
            environment: .environment(threads: request.threadCount),
            mode: mode ?? request.journalMode, isStrict: request.isStrict,
            annotationCount: file.annotations.count)
        tellDamage(at: journal.damagedPlaces, in: journal)
        if !journal.environmentDifferences.isEmpty {
            onEvent(
                .warning(
                    "going on with another program or machine: "
                        + journal.environmentDifferences.joined(separator: "; ")
                        + ". Masks made before and after can differ in single pixels from those of "
                        + "one run (--strict refuses this, --fresh starts over)"))
        }
        return journal
    }

    func progress(
        _ journals: [LabelJournal], _ plan: BoxPlan, _ batches: BatchPlan, _ file: AnnotationFile
    ) -> LabelProgress {
        LabelProgress(
            journals, plan: plan, batches: batches, file: file,
            directory: request.imagesDirectory)
    }

    func tellDamage(at places: [Int], in journal: LabelJournal) {
        guard !places.isEmpty else { return }
        onEvent(
            .warning(
                "\(journal.path): damaged at byte " + listed(places.map(String.init))
                    + "; what was there is labelled anew"))
    }

    /// Notes in the journal which images can be used, and tells one by one which could and cannot any
    /// more, and the other way round.
    func note(
        _ plan: BoxPlan, of file: AnnotationFile, in journal: LabelJournal, tells: Bool
    ) throws {
        let now = plan.usableImages
        guard let before = try journal.continueWith(usableImages: now), tells,
            before.count == now.count
        else { return }
        let reasons = Dictionary(
            plan.brokenImages.map { ($0.image, $0.reason) }, uniquingKeysWith: { a, _ in a })
        for image in now.indices where now[image] != before[image] {
            let name = file.images[image].printableName
            onEvent(
                .warning(
                    now[image]
                        ? "\(name): could not be used when this run began, and now can: its boxes "
                            + "are labelled too"
                        : "\(name): could be used when this run began, and now can't: "
                            + (reasons[image] ?? "it has no boxes")))
        }
    }

    /// Tells one by one which images are not what results were made from.
    ///
    /// - Parameter told: images that are gone, as was said before.
    func tell(_ progress: LabelProgress, _ file: AnnotationFile, except told: Set<Int> = []) {
        for image in progress.changedImages.sorted() {
            onEvent(
                .warning(
                    "\(file.images[image].printableName): has changed since its boxes were labelled; "
                        + "they are labelled anew"))
        }
        for image in progress.goneImages.subtracting(told).sorted() {
            onEvent(
                .warning(
                    "\(file.images[image].printableName): is gone since boxes of it were labelled; "
                        + "their masks stay"))
        }
    }

    func tellContinuing(_ done: Int, of total: Int) {
        if done > 0 { onEvent(.note("continuing: \(done) of \(total) boxes are done")) }
    }
}

extension ImageRecord {
    /// The file's name as messages show it.
    package var printableName: String { printable((try? relativePath()) ?? "\(id)", limit: 300) }
}
