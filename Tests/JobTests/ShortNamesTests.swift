import Foundation
import Testing

/// Paths of one part, for which Foundation's `NSString.deletingLastPathComponent` traps.
@Suite("Names of one letter")
struct ShortNamesTests {
    @Test(
        "A folder that does not exist yet may have any name",
        arguments: ["o", "é", "o/", "./o", "o//p"])
    func folder(name: String) throws {
        let folder = try TemporaryFolder()
        let run = try shell(
            """
            mal label "$IMAGES" --boxes "$BOXES" --out m --overlays '\(name)' --checkpoint "$MODEL" \
            --crop-size 64 --device cpu model.num_heads=3 2>&3
            """, in: folder)
        #expect(run.code == 0, "\(run.log)")
        let pictures = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/" + name)
        #expect(!pictures.isEmpty)
    }

    @Test(
        "A model file may have any name",
        arguments: ["m.safetensors", "é.safetensors", "./m.safetensors"])
    func file(name: String) throws {
        let folder = try TemporaryFolder()
        let run = try shell("mal checkpoint convert \"$MODEL\" '\(name)' 2>&3", in: folder)
        #expect(run.code == 0, "\(run.log)")
        #expect(FileManager.default.fileExists(atPath: folder.path + "/" + name))
    }
}
