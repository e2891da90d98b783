import Foundation
import Imaging
import Testing
import Training

@Suite("TensorBoard event files")
struct EventFileTests {
    @Test("The checksum is Castagnoli's, masked as in TFRecord files")
    func checksum() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.masked([]) == 0xA282_EAD8)
    }

    @Test("A file is whole records: version, start of session, numbers, picture")
    func records() throws {
        let folder = try TemporaryFolder()
        let board = try TrainingBoard(directory: folder.path, resumingAt: 4)
        try board.write(
            ValidationScores(
                step: 5, epoch: 0,
                scores: [.init(name: "mIoU", value: 0.5), .init(name: "mIoU_small", value: nil)]))
        let size = Size(height: 2, width: 3)
        try board.write(
            RGBImage(size: size, pixels: [UInt8](repeating: 7, count: 18)), tag: "val/masks",
            step: 5)
        let data = [UInt8](try Data(contentsOf: URL(fileURLWithPath: board.path)))
        var payloads: [[UInt8]] = []
        var place = 0
        func number(_ range: Range<Int>) -> UInt64 {
            data[range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        while place < data.count {
            let length = Int(number(place..<place + 8))
            #expect(
                number(place + 8..<place + 12)
                    == UInt64(CRC32C.masked(Array(data[place..<place + 8]))))
            let payload = Array(data[place + 12..<place + 12 + length])
            let end = place + 12 + length
            #expect(number(end..<end + 4) == UInt64(CRC32C.masked(payload)))
            payloads.append(payload)
            place = end + 4
        }
        #expect(payloads.count == 4)
        func holds(_ payload: [UInt8], _ text: String) -> Bool {
            String(decoding: payload, as: UTF8.self).contains(text)
        }
        #expect(holds(payloads[0], "brain.Event:2"))
        #expect(holds(payloads[2], "val/mIoU") && !holds(payloads[2], "mIoU_small"))
        #expect(holds(payloads[3], "val/masks") && holds(payloads[3], "IHDR"))
    }
}
