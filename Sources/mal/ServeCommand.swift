import ArgumentParser
import CProgram
import MaskAutoLabeler
import Serving
import Specs

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Answers requests for masks over HTTP.",
        discussion: """
            Loads a model once and joins the boxes of all requests into batches. POST /v1/masks takes \
            an image and boxes; /predict is a Label Studio ML backend, /cvat an interactor of CVAT \
            (docs/serve.md). It listens on this machine only, unless --token-file names a token that \
            every request must bring. SIGTERM and Ctrl-C answer what has come, then end.

              mal serve
              mal serve --images photos --checkpoint tiny
              mal serve --listen 0.0.0.0:8080 --token-file token.txt
            """)

    @Option(help: "Where to listen, as HOST:PORT; port 0 takes a free one.")
    var listen = "127.0.0.1:8080"

    @OptionGroup var model: ModelOptions

    @Option(help: "Folder whose images requests may name; can be given several times.")
    var images: [String] = []

    @Option(
        help: ArgumentHelp(
            "Host of which requests may name images by an http URL, as HOST or HOST:PORT; can be given several times.",
            valueName: "host"))
    var allowHost: [String] = []

    @Option(help: "File whose first line is the token that every request must bring.")
    var tokenFile: String?

    @Option(help: "Number of requests that may wait; one more gets 429.")
    var maxQueue = 64

    @Option(help: "Most bytes of a request's body.")
    var maxBody = 64 << 20

    @Option(help: "Most bytes that bodies, image files and answers take together.")
    var maxHeld = 512 << 20

    @Option(help: "Most pixels of an image, and of all that are decoded at the same time.")
    var maxPixels = 100_000_000

    @Option(help: "Most boxes of a request.")
    var maxBoxes = 1_000

    @Option(help: "Most connections at the same time.")
    var maxConnections = 256

    @Option(help: "Seconds after which a request is given up with 504.")
    var timeout = 60.0

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    @MainActor
    func run() async throws {
        ThisProcess.prepare(idleThreadsSleep: true)
        let console = ConsoleProgress(quiet: quiet)
        var options = ServerOptions()
        options.listen = listen
        options.model = model.model
        options.labeler = try model.labelerOptions()
        options.imageFolders = images
        options.allowedHosts = allowHost
        options.tokenFile = tokenFile
        options.maxQueue = maxQueue
        options.maxBodyBytes = maxBody
        options.maxHeldBytes = maxHeld
        options.maxPixels = maxPixels
        options.maxBoxes = maxBoxes
        options.maxConnections = maxConnections
        options.timeout = timeout
        let server = try await MaskServer(options, onEvent: console.handle)
        let housekeeping = Task.detached {
            while !Task.isCancelled {
                program_return_free_memory()
                try await Task.sleep(for: .seconds(30))
            }
        }
        defer { housekeeping.cancel() }
        try await server.run { url in console.handle(.note("listening on \(url)")) }
    }
}

/// The network of a command that labels in memory.
struct ModelOptions: ParsableArguments {
    @Option(
        help: "Model file (.safetensors, .pth, .ckpt), or default or tiny, which come with mal.")
    var checkpoint = "default"

    @Option(help: "Where to compute: auto (a GPU if there is one), cpu or cuda.")
    var device = "auto"

    @Option(help: "Number of boxes that go through the network together.")
    var batchSize = 8

    @Option(help: "Number of CPU threads (default: one a core).")
    var threads: Int?

    var model: MaskLabeler.Model { MaskLabeler.Model(named: checkpoint) }

    func labelerOptions() throws -> MaskLabeler.Options {
        guard let device = MaskLabeler.Options.Device(rawValue: device) else {
            throw ValidationError("--device must be auto, cpu or cuda, is \(device)")
        }
        var options = MaskLabeler.Options(device: device)
        options.batchSize = batchSize
        options.threads = threads
        return options
    }
}

extension MaskLabeler.Model {
    /// As `--checkpoint` names it.
    init(named name: String) {
        switch name {
        case "default": self = .default
        case "tiny": self = .tiny
        default: self = .file(name)
        }
    }
}
