import ArgumentParser
import MaskAutoLabeler

struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Looks into model files and converts them.",
        subcommands: [Info.self, Convert.self])

    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "info",
            abstract: "Says what a model file is: source, architecture, parameters.",
            discussion: """
                Reads .safetensors, .pth and .ckpt (TAO, Lightning, MAE, timm, Hugging Face ViT \
                and Dinov2). Nothing in the file is ever executed. Of a checkpoint of `mal train`, \
                folder or file in it, all files are compared with their checksums.
                """)

        @Argument(help: "Model file, or the name of one that comes with mal (default, tiny).")
        var file: String

        @Flag(help: "List every tensor with its shape and type.")
        var keys = false

        func run() throws {
            try StandardStreams.show(CheckpointReport(file: file, listsKeys: keys).text)
        }
    }

    struct Convert: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "convert",
            abstract: "Writes a model file of any kind as .safetensors, or as TAO's .pth.",
            discussion: """
                  mal checkpoint convert mal_model.pth model.safetensors --dtype fp16
                  mal checkpoint convert backbone.safetensors model.safetensors --heads heads.safetensors
                  mal checkpoint convert runs/a/train/model_best mal_model.pth

                A .pth holds student and teacher as TAO names them, and no optimizer: TAO \
                evaluates it, labels with it and starts from it.
                """)

        @Argument(help: "Model file, checkpoint folder of mal train, or default or tiny.")
        var input: String

        @Argument(help: "File to write; its name ends in .safetensors, or in .pth for TAO.")
        var output: String

        @Option(help: "File with RoI head and mask head, for an input that is a backbone only.")
        var heads: String?

        @Option(help: "Type of the numbers: fp16 or fp32 (default: as stored).")
        var dtype: ElementType?

        @Flag(help: "Replace a file that is there.")
        var overwrite = false

        @Option(
            parsing: .singleValue,
            help:
                "Metadata to set, KEY=VALUE: crop_size=224, mask_thres=0.5. Can be repeated."
        )
        var metadata: [String] = []

        enum ElementType: String, ExpressibleByArgument { case fp16, fp32 }

        func validate() throws {
            let isForTAO = output.lowercased().hasSuffix(".pth")
            guard isForTAO || output.lowercased().hasSuffix(".safetensors") else {
                throw ValidationError("\(output) must end in .safetensors, or in .pth for TAO")
            }
            guard !isForTAO || metadata.isEmpty else {
                throw ValidationError("--metadata goes into .safetensors; a .pth holds none")
            }
        }

        func run() throws {
            var texts: [String: String] = [:]
            for entry in metadata {
                guard let sign = entry.firstIndex(of: "="), sign != entry.startIndex else {
                    throw ValidationError("--metadata must be KEY=VALUE, is \(entry)")
                }
                texts[String(entry[..<sign])] = String(entry[entry.index(after: sign)...])
            }
            let report = try CheckpointReport(
                converting: input, to: output, heads: heads,
                halves: dtype.map { $0 == .fp16 }, metadata: texts,
                overwrites: overwrite)
            try StandardStreams.show(report.text)
        }
    }
}
