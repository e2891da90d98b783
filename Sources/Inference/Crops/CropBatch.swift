import Files
package import Imaging

/// How crops are made and fed to the network.
package struct CropSettings: Sendable, Equatable {
    /// Side S of the square crop in pixels.
    package var cropSize: Int
    /// `test_margin_rate[0]`; half of it is added on each side, as a share of the half side.
    package var marginRate: Double
    package var batchSize: Int
    package var decoding: DecodeOptions
    /// Nil gives every box a crop of `cropSize`.
    package var adaptive: AdaptiveCrop?

    package init(
        cropSize: Int, marginRate: Double, batchSize: Int, decoding: DecodeOptions,
        adaptive: AdaptiveCrop? = nil
    ) {
        self.cropSize = cropSize
        self.marginRate = marginRate
        self.batchSize = batchSize
        self.decoding = decoding
        self.adaptive = adaptive
    }
}

/// One crop of a batch and where it came from.
package struct CropItem: Sendable {
    package let planned: PlannedBox
    package let window: CropWindow
    package let imageSize: Size
}

/// Crops ready for the network; made off the network's thread.
package struct CropBatch: Sendable {
    package let index: Int
    /// Side S of its crops in pixels.
    package let cropSize: Int
    package let items: [CropItem]
    /// Boxes of this batch whose image could not be decoded.
    package let failures: [(annotation: Int, reason: String)]
    /// Its images, by position in the file, as they were read.
    package let images: [(image: Int, identity: ImageIdentity)]
    /// n·S·S·3, RGB rows.
    package let pixels: [UInt8]
    /// n·S·S, 0/1: the box inside its crop, 0 outside the image (SPEC §3.2).
    package let boxMasks: [UInt8]

    /// Crops of boxes of one image in memory. All have the size of the first box's crop.
    ///
    /// - Throws: `ImageError.impossibleCrop` for a box that no crop can be made of.
    package init(_ boxes: [PlannedBox], of image: ImageRegion, settings: CropSettings) throws {
        cropSize =
            boxes.first.flatMap { settings.adaptive?.size(for: $0.box) } ?? settings.cropSize
        let side = Size(square: cropSize)
        let length = cropSize * cropSize * 3
        var boxMasks: [UInt8] = []
        var items: [CropItem] = []
        pixels = try [UInt8](unsafeUninitializedCapacity: boxes.count * length) { output, count in
            for planned in boxes {
                let window = settings.window(of: planned.box)
                boxMasks += try Mask(
                    box: planned.box, image: image.imageSize, zeroPaddedCrop: window,
                    resizedTo: side
                ).pixels
                try image.wrappedCrop(window, resizedTo: side, into: output.baseAddress! + count)
                count += length
                items.append(
                    CropItem(planned: planned, window: window, imageSize: image.imageSize))
            }
        }
        self.items = items
        self.boxMasks = boxMasks
        (index, failures, images) = (0, [], [])
    }

    /// Several batches of one crop size as one.
    package init(joining batches: [CropBatch]) {
        cropSize = batches[0].cropSize
        items = batches.flatMap(\.items)
        pixels = batches.count == 1 ? batches[0].pixels : batches.flatMap(\.pixels)
        boxMasks = batches.count == 1 ? batches[0].boxMasks : batches.flatMap(\.boxMasks)
        (index, failures, images) = (0, [], [])
    }

    init(
        index: Int, boxes: [PlannedBox], cropSize: Int, images: [Int: DecodedImage],
        settings: CropSettings
    ) async {
        var loaded: [(planned: PlannedBox, image: Result<ImageRegion, ImageError>)] = []
        var identities: [Int: ImageIdentity] = [:]
        for planned in boxes {
            guard let loading = images[planned.image] else {
                preconditionFailure("image \(planned.image) of batch \(index) was not loaded")
            }
            let image = await loading.value
            loaded.append((planned, image.region))
            identities[planned.image] = image.identity
        }
        let side = Size(square: cropSize)
        let pixelCount = side.height * side.width
        var items: [CropItem] = []
        var failures: [(annotation: Int, reason: String)] = []
        var boxMasks: [UInt8] = []
        boxMasks.reserveCapacity(boxes.count * pixelCount)
        let pixels = [UInt8](
            unsafeUninitializedCapacity: boxes.count * pixelCount * 3
        ) { output, count in
            for (planned, image) in loaded {
                do {
                    let image = try image.get()
                    let window = settings.window(of: planned.box)
                    let boxMask = try Mask(
                        box: planned.box, image: image.imageSize, zeroPaddedCrop: window,
                        resizedTo: side)
                    try image.wrappedCrop(
                        window, resizedTo: side, into: output.baseAddress! + count)
                    count += pixelCount * 3
                    boxMasks += boxMask.pixels
                    items.append(
                        CropItem(planned: planned, window: window, imageSize: image.imageSize))
                } catch {
                    failures.append((planned.annotation, "\(error)"))
                }
            }
        }
        self.index = index
        self.cropSize = cropSize
        self.items = items
        self.failures = failures
        self.images = identities.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        self.pixels = pixels
        self.boxMasks = boxMasks
    }
}

extension CropSettings {
    package func window(of box: Box) -> CropWindow {
        CropWindow(around: box, margins: .test(rate: marginRate))
    }
}

/// An image as it was read.
struct LoadedImage: Sendable {
    let region: Result<ImageRegion, ImageError>
    let identity: ImageIdentity

    /// - Parameter expected: its size when the run was planned.
    init(path: String, covering windows: [CropWindow], options: DecodeOptions, expected: Size?) {
        // The times first: a file that is replaced while it is read has later ones.
        var identity = ImageIdentity(stampOf: path)
        var hash: UInt64?
        region = Result { () throws(ImageError) in
            let decoded = try ImageCodec.decode(
                path: path, covering: windows, options: options,
                onRead: { hash = ContentHash.hash($0) })
            guard decoded.imageSize == expected else {
                // Not what the run was planned for: no result of it is to last.
                identity = .absent
                throw ImageError.unreadable(
                    file: path, reason: "its size changed while the run was going on")
            }
            return decoded
        }
        if identity.byteCount >= 0 {
            identity.hash = hash ?? (try? ContentHash.hash(file: path)) ?? 0
        }
        self.identity = identity
    }
}

typealias DecodedImage = Task<LoadedImage, Never>

/// Decodes and crops ahead of the network. Each image is decoded once for all its boxes, as far as
/// they reach; what is held at a time is bounded by a few batches of crops and `pixelBudget` of
/// decoded images, however many boxes an image or the file has.
package struct CropBatchLoader {
    private let plan: BoxPlan
    private let settings: CropSettings
    private let batches: BatchPlan
    private var remaining: ArraySlice<Int>
    /// Gives batches when none remain.
    private let more: (() -> [Int])?
    /// The boxes of each image, which the plan has side by side.
    private let boxesOfImage: [Int: Range<Int>]
    private var images: [Int: DecodedImage] = [:]
    private var scheduled: [(index: Int, task: Task<CropBatch, Never>)] = []

    private static let lookahead = 3
    /// Decoded pixels held at a time when more than one image is: 64 M are 192 MB of RGB.
    private static let pixelBudget = 64_000_000

    /// - Parameters:
    ///   - completed: batches that need no work.
    ///   - more: gives the next batches whenever none remain, and an empty list at the end; nil for
    ///     all that are not completed.
    package init(
        plan: BoxPlan, settings: CropSettings, skipping completed: Set<Int> = [],
        more: (() -> [Int])? = nil
    ) {
        self.plan = plan
        self.settings = settings
        self.more = more
        batches = BatchPlan(plan, settings)
        remaining = more == nil ? (0..<batches.count).filter { !completed.contains($0) }[...] : []
        var boxesOfImage: [Int: Range<Int>] = [:]
        for (position, box) in plan.boxes.enumerated() {
            let first = boxesOfImage[box.image]?.lowerBound ?? position
            boxesOfImage[box.image] = first..<position + 1
        }
        self.boxesOfImage = boxesOfImage
    }

    /// The next batch in order; nil after the last.
    package mutating func next(
        isolation: isolated (any Actor)? = #isolation
    ) async -> CropBatch? {
        schedule()
        guard !scheduled.isEmpty else { return nil }
        let batch = await scheduled.removeFirst().task.value
        let coming = scheduled.map(\.index) + remaining.prefix(1)
        let needed = Set(coming.flatMap { boxes(ofBatch: $0).map(\.image) })
        images = images.filter { needed.contains($0.key) }
        schedule()
        return batch
    }

    /// Stops work that nobody will ask for.
    package func cancel() {
        for (_, task) in scheduled { task.cancel() }
        for task in images.values { task.cancel() }
    }

    private func boxes(ofBatch index: Int) -> [PlannedBox] {
        batches.positions(ofBatch: index).map { plan.boxes[$0] }
    }

    private mutating func schedule() {
        while scheduled.count < Self.lookahead {
            if remaining.isEmpty, let more { remaining = more()[...] }
            guard let index = remaining.first else { return }
            let boxes = boxes(ofBatch: index)
            let needed = Set(boxes.map(\.image))
            let held = needed.union(images.keys).reduce(0) { sum, image in
                sum + (plan.imageSizes[image].map { $0.height * $0.width } ?? 0)
            }
            if !scheduled.isEmpty, held > Self.pixelBudget { return }
            remaining.removeFirst()
            for image in needed where images[image] == nil {
                images[image] = decode(image)
            }
            let batchImages = images.filter { needed.contains($0.key) }
            let (settings, cropSize) = (settings, batches.cropSize(ofBatch: index))
            scheduled.append(
                (
                    index,
                    Task.detached {
                        await CropBatch(
                            index: index, boxes: boxes, cropSize: cropSize, images: batchImages,
                            settings: settings)
                    }
                ))
        }
    }

    private func decode(_ image: Int) -> DecodedImage {
        let path = plan.imagePaths[image] ?? ""
        let expected = plan.imageSizes[image]
        let decoding = settings.decoding
        let windows = plan.boxes[boxesOfImage[image] ?? 0..<0].map { settings.window(of: $0.box) }
        return Task.detached {
            LoadedImage(path: path, covering: windows, options: decoding, expected: expected)
        }
    }
}
