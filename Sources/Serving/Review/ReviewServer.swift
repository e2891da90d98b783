import Annotations
import Files
import Formats
import Foundation
import HTTPTypes
import Hummingbird
import Imaging
public import MaskAutoLabeler
public import Specs

/// What `mal review` may be told.
public struct ReviewOptions: Sendable {
    public var masks: String
    public var images: String
    /// Where "Save" writes.
    public var output: String
    /// Replaces what stands there, whoever wrote it.
    public var overwrites = false
    public var listen = "127.0.0.1:0"
    public var model = MaskLabeler.Model.default
    public var labeler = MaskLabeler.Options()
    public var appliesEXIF = false
    public var maxPixels = 200_000_000
    /// Who reviews, as the output says.
    public var author = ProcessInfo.processInfo.environment["USER"] ?? "reviewer"

    public init(masks: String, images: String, output: String? = nil) {
        self.masks = masks
        self.images = images
        let stem = masks.hasSuffix(".json") ? String(masks.dropLast(5)) : masks
        self.output = output ?? stem + ".reviewed.json"
    }
}

/// `mal review`: a page that corrects masks (docs/review-the-result.md).
public final class ReviewServer: Sendable {
    private let options: ReviewOptions
    private let address: ListenAddress
    private let review: Review
    private let model: ReviewModel
    private let bodies = RequestBodies(limit: 64 << 20)
    private let onEvent: RunEventHandler
    /// In the page's address, so that nobody else on this machine finds it.
    private let token = (0..<4).map { _ in
        String(UInt32.random(in: .min ... .max) | 1 << 31, radix: 36)
    }.joined()

    /// Reads the masks and the review's log, and loads the model.
    ///
    /// - Throws: what reading annotations, ``ServingError``, `FileError`, `LabelingError` and `MaskLabeler` throw.
    public init(_ options: ReviewOptions, onEvent: @escaping RunEventHandler = { _ in })
        async throws
    {
        self.options = options
        self.onEvent = onEvent
        address = try ListenAddress(options.listen)
        guard address.isLoopback else {
            throw ServingError.wrongOption(
                "--listen \(options.listen): a review is for this machine's own browser only")
        }
        review = try Review(options, changes: true)
        do {
            try review.checkOutput()
        } catch {
            onEvent(.warning("Save will be refused: \(error)"))
        }
        var labeling = options.labeler
        labeling.keepsProbabilities = true
        model = ReviewModel(
            try await MaskLabeler(model: options.model, options: labeling, onEvent: onEvent),
            images: review.images)
    }

    /// Writes the reviewed masks; see ``ReviewOptions/output``. The page may be open meanwhile.
    ///
    /// - Returns: what was done, in words.
    public static func export(_ options: ReviewOptions) async throws -> String {
        let review = try Review(options, changes: false)
        try review.checkOutput()
        return try await review.save()
    }

    /// Serves until Ctrl-C.
    ///
    /// - Parameter onListening: called with the page's address.
    public func run(onListening: @escaping @Sendable (_ url: String) -> Void) async throws {
        let token = token
        try await HTTPRunner(address: address, maxConnections: 64, timeout: 60).run(
            router: router, onListening: { onListening($0 + "/r/\(token)/") })
    }

    // MARK: Routes

    private static let pages: [(name: String, type: String, bytes: [UInt8])] = [
        ("", "text/html; charset=utf-8", PackageResources.review_html),
        ("review.css", "text/css; charset=utf-8", PackageResources.review_css),
        ("review.js", "text/javascript; charset=utf-8", PackageResources.review_js),
        ("canvas.js", "text/javascript; charset=utf-8", PackageResources.canvas_js),
        ("tools.js", "text/javascript; charset=utf-8", PackageResources.tools_js),
        ("rle.js", "text/javascript; charset=utf-8", PackageResources.rle_js),
        ("api.js", "text/javascript; charset=utf-8", PackageResources.api_js),
    ]

    private var router: Router<ServingContext> {
        let router = Router(context: ServingContext.self)
        router.add(
            middleware: Gatekeeper(
                token: nil, methods: ["/r/*": [.get, .post]], open: [], metrics: Metrics(),
                onError: { [onEvent] in onEvent(.warning($0)) }))
        let routes = router.group("/r/:token")
        for page in Self.pages {
            routes.get(.init(page.name)) { [token] _, context in
                try Self.check(context, token)
                var response = Response.bytes(page.bytes, type: page.type)
                response.headers[.contentSecurityPolicy] =
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                    + "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                    + "frame-ancestors 'none'"
                response.headers[values: .init("Referrer-Policy")!] = ["no-referrer"]
                return response
            }
        }
        func get(
            _ path: String,
            _ body: @escaping @Sendable (ServingContext, Request) async throws -> Response
        ) {
            routes.get(.init("api/" + path)) { [token] request, context in
                try Self.check(context, token)
                return try await Self.inWords { try await body(context, request) }
            }
        }
        func post(
            _ path: String, _ body: @escaping @Sendable (JSONValue) async throws -> JSONValue
        ) {
            routes.post(.init("api/" + path)) { [token, bodies] request, context in
                try Self.check(context, token)
                guard request.headers[.contentType]?.hasPrefix("application/json") ?? false else {
                    throw Refusal(
                        .unsupportedMediaType, "Content-Type: expected application/json")
                }
                let hold = bodies.memory.makeHold()
                let json = try await JSONValue(json: bodies.bytes(of: request, hold), hold)
                return Response.json(
                    try await context.limited(to: 60) {
                        try await Self.inWords { try await body(json) }
                    })
            }
        }
        let (store, images) = (review.store, review.images)
        get("index") { _, _ in .text(try await store.index(), type: "application/json") }
        get("object/:key") { context, _ in
            let object = try await store.object(context.parameters.get("key") ?? "")
            let size = try images.size(of: object.image)
            let counts = try await store.counts(of: object)
            return .json(["object": object.json(counts: counts), "size": size.json])
        }
        get("tile/:image") { context, request in
            let image = try Self.image(context.parameters.get("image"), images)
            let numbers = ["x", "y", "w", "h", "s"].map {
                request.uri.queryParameters[Substring($0)].flatMap { Int($0) } ?? -1
            }
            var response = Response.bytes(
                try await images.tile(
                    of: image, x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3],
                    scale: numbers[4]), type: "image/jpeg")
            response.headers[.cacheControl] = "private, max-age=3600"
            return response
        }
        @Sendable func answer(_ objects: [ReviewObject]) async throws -> JSONValue {
            var list: [JSONValue] = []
            for object in objects {
                // The step is kept, also where the file's mask can't be read.
                list.append(object.json(counts: try? await store.counts(of: object)))
            }
            return ["objects": .list(list), "heads": try await store.heads()]
        }
        post("step") { json in try await answer(store.perform(ReviewStep(json))) }
        for (name, undo) in [("undo", true), ("redo", false)] {
            post(name) { json in
                try await answer(store.turn(undo: undo, head: json["head"]?.integer))
            }
        }
        post("predict") { [model] json in
            let (image, box) = try Self.place(json, images)
            if let value = json["threshold"] {
                guard let threshold = value.number, (0...1).contains(threshold) else {
                    throw Refusal.wrong("threshold: expected 0 to 1, found \(value.snippet)")
                }
                let mask = try await model.mask(image: image, box: box, threshold: threshold)
                return ["counts": .text(mask.compressedString), "area": JSONValue(mask.area)]
            }
            let found = try await model.mask(image: image, box: box)
            return [
                "counts": .text(found.mask.compressedString), "area": JSONValue(found.mask.area),
                "score": JSONValue(found.score),
            ]
        }
        post("click") { [model] json in
            let (image, box) = try Self.place(json, images)
            let size = try images.size(of: image)
            guard let x = json["x"]?.integer, let y = json["y"]?.integer,
                (0..<size.width).contains(x), (0..<size.height).contains(y),
                let adds = json["adds"]?.boolean
            else { throw Refusal.wrong("x, y, adds: expected a pixel of the image and a flag") }
            let mask: RLE
            do {
                mask = try RLE(size: size, compressed: json["counts"]?.text ?? "")
            } catch {
                throw Refusal.wrong("counts: \(error)")
            }
            let changed = try await model.click(
                image: image, box: box, mask: mask, x: x, y: y, adds: adds)
            return ["counts": .text(changed.compressedString), "area": JSONValue(changed.area)]
        }
        post("save") { [review] _ in
            try review.checkOutput()
            return ["message": .text(try await review.save())]
        }
        return router
    }

    /// What is wrong with the masks, the log or the output is for the reviewer to read.
    private static func inWords<Result: Sendable>(
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch {
            guard error is AnnotationError || error is FileError || error is LabelingError else {
                throw error
            }
            throw Refusal.wrong("\(error)")
        }
    }

    private static func check(_ context: ServingContext, _ token: String) throws {
        guard Gatekeeper.isEqual(context.parameters.get("token") ?? "", token) else {
            throw Refusal(.notFound, "there is no such page")
        }
    }

    private static func image(_ text: String?, _ images: ReviewImages) throws -> Int {
        guard let place = text.flatMap({ Int($0) }), images.places.contains(place) else {
            throw Refusal(.notFound, "there is no such image")
        }
        return place
    }

    private static func place(
        _ json: JSONValue, _ images: ReviewImages
    ) throws -> (image: Int, box: [Double]) {
        guard let image = json["image"]?.integer, images.places.contains(image) else {
            throw Refusal.wrong("image: expected the place of an image")
        }
        guard let box = json["box"]?.numbers, box.count == 4 else {
            throw Refusal.wrong(
                "box: expected [x, y, width, height], found \(json["box"]?.snippet ?? "nothing")")
        }
        return (image, box)
    }
}
