/// What can go wrong outside our own code while labelling or evaluating.
public enum LabelingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Another process holds the journal.
    case journalBusy(path: String)
    /// The journal was written with other inputs or options; each difference is named.
    case journalChanged(path: String, differences: [String])
    case journalUnreadable(path: String, reason: String)
    /// From this byte on there is something else than was written.
    case journalDamaged(path: String, offset: Int)
    case noJournal(path: String)
    /// The input failed validation; the problems are in printing order, `total` counts them all.
    case invalidInput(summary: String, problems: [String], total: Int)
    case outOfMemory(batchSize: Int, cropSize: Int, reason: String)
    case interrupted(done: Int, total: Int)
    case wrongUse(String)
    /// An option or argument of the command is wrong by itself, whatever the files hold.
    case wrongOption(String)
    /// Ctrl-C or SIGTERM; everything is in the checkpoint.
    case trainingStopped(step: Int, stepCount: Int, checkpoint: String)
    /// `terms` in words; `record` is the file that holds more.
    case lossNotFinite(step: Int, terms: String, annotationIDs: [String], record: String)
    /// Weights or activations of the network are not finite for these boxes.
    case outputNotFinite(annotationIDs: [String])
    /// More than one sample in a hundred.
    case tooManyBrokenImages(broken: Int, total: Int, reasons: [String])
    /// The run folder belongs to a run with another spec; each key that differs is named.
    case specChanged(directory: String, differences: [String])
    case trainingOutOfMemory(batchSize: Int, cropSize: Int, reason: String)
    /// Another process of the run is dead, hangs or is cut off; which, in words.
    case rankLost(String)

    public var description: String {
        switch self {
        case .journalBusy(let path):
            return "\(path): another mal process is writing this output; wait for it or choose "
                + "another --out"
        case .journalChanged(let path, let differences):
            return "\(path): an unfinished run is there, and it was started differently: "
                + differences.joined(separator: "; ")
                + ". Repeat the first command to continue it, or add --fresh to start over"
        case .journalUnreadable(let path, let reason):
            return "\(path): not a journal of mal (\(reason)); remove it or add --fresh"
        case .journalDamaged(let path, let offset):
            return "\(path): damaged from byte \(offset) on, so no output was written; repeat the "
                + "command: what was there is labelled anew"
        case .noJournal(let path):
            return "\(path): nothing to resume there; leave --resume out to start"
        case .invalidInput(let summary, let problems, let total):
            let more = total > problems.count ? ["… and \(total - problems.count) more"] : []
            return ([summary] + problems.map { "  " + $0 } + more.map { "  " + $0 })
                .joined(separator: "\n")
        case .outOfMemory(let batchSize, let cropSize, let reason):
            return "out of memory with a batch of \(batchSize) at crop \(cropSize): \(reason). "
                + "Use a smaller --crop-size or a smaller model"
        case .interrupted(let done, let total):
            return "stopped after \(done) of \(total) boxes; nothing is lost: the same command "
                + "continues from here"
        case .wrongUse(let message), .wrongOption(let message):
            return message
        case .trainingStopped(let step, let stepCount, let checkpoint):
            return "stopped after step \(step) of \(stepCount), saved in \(checkpoint); nothing is "
                + "lost: the same command continues from here"
        case .lossNotFinite(let step, let terms, let ids, let record):
            return "step \(step): the loss is not finite (\(terms)); the batch was annotations "
                + ids.prefix(20).joined(separator: ", ") + (ids.count > 20 ? ", …" : "")
                + ". Written aside: \(record). A lower train.lr or train.clip_grad_norm may help; "
                + "the last checkpoint is as it was"
        case .outputNotFinite(let ids):
            return "the network's output is not finite for annotations "
                + ids.prefix(20).joined(separator: ", ") + (ids.count > 20 ? ", …" : "")
                + "; nothing of their batch was kept. In fp16 the arithmetic may overflow: --precision "
                + "fp32 or bf16 does not. Else the model file is damaged"
        case .tooManyBrokenImages(let broken, let total, let reasons):
            return "\(broken) of \(total) boxes have an image that cannot be used, more than 1 %:\n"
                + reasons.prefix(5).map { "  " + $0 }.joined(separator: "\n")
                + "\nCheck the images folder (mal validate BOXES --images FOLDER) and repeat the "
                + "command: it continues from the last checkpoint"
        case .specChanged(let directory, let differences):
            return "\(directory): a run with another spec is there; changed: "
                + differences.joined(separator: "; ")
                + ". Add --resume to go on from its newest checkpoint with the new values, or "
                + "choose another results_dir"
        case .rankLost(let reason):
            return
                "\(reason). The run ends on all ranks; what was saved is whole: the same command "
                + "continues from there"
        case .trainingOutOfMemory(let batchSize, let cropSize, let reason):
            return "out of memory with a batch of \(batchSize) at crop \(cropSize): \(reason). Try "
                + "train.activation_checkpoint=true, or a smaller train.batch_size with "
                + "train.accum_grad_batches, or a smaller dataset.crop_size"
        }
    }
}
