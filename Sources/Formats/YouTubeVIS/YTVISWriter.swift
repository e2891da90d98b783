import Annotations
import Files
import Imaging

/// YouTube-VIS JSON: images of one folder and size are a video, annotations with one `track_id` and
/// category in it one instance.
struct YTVISWriter: FileWriter {
    let file: AnnotationFile
    let options: ExportOptions

    private struct Video {
        let size: Size
        var images: [Int] = []
    }

    func write(to path: String, report: inout ExportReport) throws {
        let source = ExportSource(file, options: options)
        let index = AnnotationIndex(file)
        report.imageCount = file.images.count
        report.annotationCount = file.annotations.count
        report.add(.withoutImage, file.annotations.count - index.count)
        let videos = try videos(source)
        var output = try OutputFile(path: path)
        try output.write("{\"info\":{},\"licenses\":[],\"videos\":[")
        for (number, video) in videos.enumerated() {
            try output.write(self.text(of: video, number: number))
        }
        try output.write("\n],\"categories\":[")
        for (place, name) in CategoryNumbers(file).names.enumerated() {
            var text = TextBuffer()
            text.append(place > 0 ? ",\n{\"id\":" : "\n{\"id\":")
            text.append(json: file.categories[place].id)
            text.append(",\"name\":")
            text.append(json: name)
            text.append("}")
            try output.write(text.bytes)
        }
        try output.write("\n],\"annotations\":[")
        var nextID = 1
        for (number, video) in videos.enumerated() {
            let tracks = try tracks(of: video, source, index, &report)
            for track in tracks {
                try output.write(
                    text(of: track, in: video, number: number, id: nextID))
                nextID += 1
            }
        }
        try output.write("\n]}\n")
        try output.commit()
    }

    private func videos(_ source: ExportSource) throws -> [Video] {
        struct Key: Hashable {
            let folder: String
            let size: Size
            /// Images without a folder are videos of one frame.
            let image: Int?
        }
        var videos: [Video] = []
        var places: [Key: Int] = [:]
        for image in file.images {
            let size = try source.size(of: image)
            let folder = image.fileName.split(separator: "/").dropLast().joined(separator: "/")
            let key = Key(folder: folder, size: size, image: folder.isEmpty ? image.index : nil)
            let place = places[key] ?? videos.count
            if place == videos.count {
                places[key] = place
                videos.append(Video(size: size))
            }
            videos[place].images.append(image.index)
        }
        return videos
    }

    private func text(of video: Video, number: Int) -> [UInt8] {
        var text = TextBuffer()
        text.append(number > 0 ? ",\n{\"id\":" : "\n{\"id\":")
        text.append(number + 1)
        text.append(
            ",\"width\":\(video.size.width),\"height\":\(video.size.height),"
                + "\"length\":\(video.images.count),\"file_names\":[")
        for (place, image) in video.images.enumerated() {
            if place > 0 { text.append(",") }
            text.append(json: file.images[image].fileName)
        }
        text.append("]}")
        return text.bytes
    }

    /// An instance and its annotation in each frame that has it.
    private struct Track {
        var frames: [Int: ExportInstance] = [:]
    }

    private func tracks(
        of video: Video, _ source: ExportSource, _ index: AnnotationIndex,
        _ report: inout ExportReport
    ) throws -> [Track] {
        struct Key: Hashable {
            let track: Int
            let category: Int
            let isCrowd: Bool
        }
        var tracks: [Track] = []
        var places: [Key: Int] = [:]
        for (frame, image) in video.images.enumerated() {
            var frameImage = ExportImage(
                record: file.images[image], size: video.size, stem: "", instances: [])
            for place in index[image: image] {
                frameImage.instances.append(
                    try source.instance(
                        file.annotations[place], size: video.size, needsMasks: true))
            }
            frameImage.drop([.masks, .boxes, .crowds], &report)
            for instance in frameImage.instances {
                if instance.mask == nil { report.add(.boxOnly) }
                report.writtenCount += 1
                var place = tracks.count
                if let track = instance.track, let category = instance.category {
                    let key = Key(
                        track: track, category: category, isCrowd: instance.record.isCrowd)
                    if let known = places[key], tracks[known].frames[frame] == nil {
                        place = known
                    } else {
                        places[key] = place
                    }
                }
                if place == tracks.count { tracks.append(Track()) }
                tracks[place].frames[frame] = instance
            }
        }
        return tracks
    }

    private func text(of track: Track, in video: Video, number: Int, id: Int) -> [UInt8] {
        var text = TextBuffer()
        guard let first = track.frames.min(by: { $0.key < $1.key })?.value.record else {
            return []
        }
        text.append(id > 1 ? ",\n{\"id\":" : "\n{\"id\":")
        text.append(id)
        text.append(",\"video_id\":\(number + 1),\"category_id\":")
        if let category = first.categoryID { text.append(json: category) }
        text.append(",\"iscrowd\":\(first.isCrowd ? 1 : 0)")
        text.append(",\"width\":\(video.size.width),\"height\":\(video.size.height)")
        func list(_ key: String, _ value: (ExportInstance, inout TextBuffer) -> Bool) {
            text.append(",\"\(key)\":[")
            for frame in video.images.indices {
                if frame > 0 { text.append(",") }
                if let instance = track.frames[frame], value(instance, &text) { continue }
                text.append("null")
            }
            text.append("]")
        }
        list("segmentations") { instance, text in
            guard let mask = instance.mask else { return false }
            text.bytes += AnnotationResult(mask).segmentation(isSpaced: false)
            return true
        }
        list("bboxes") { instance, text in
            let record = instance.record
            text.append(list: [record.x, record.y, record.width, record.height])
            return true
        }
        list("areas") { instance, text in
            guard let mask = instance.mask else { return false }
            text.append(mask.area)
            return true
        }
        text.append("}")
        return text.bytes
    }
}
