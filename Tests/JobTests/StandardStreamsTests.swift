import Foundation
import Testing

/// Streams that nobody reads, that are full or closed; a shell sets them up.
@Suite("Standard output and standard error")
struct StandardStreamsTests {
    @Test(
        "Messages that can't be written end nothing",
        arguments: ["2>/dev/full", "2>&-", "2>&- </dev/null 0<&-"])
    func messages(redirection: String) throws {
        let folder = try TemporaryFolder()
        let run = try shell(
            "mal convert \"$BOXES\" out.json --to coco \(redirection) >&3", in: folder)
        #expect(run.code == 0)
        #expect(run.log.hasPrefix("out.json: 18 of 18 annotations"))
        let labelled = try shell(
            """
            mal label "$IMAGES" --boxes "$BOXES" --out masks.json --checkpoint "$MODEL" --crop-size 64 \
            --device cpu model.num_heads=3 \(redirection) >&3
            """, in: folder)
        #expect(labelled.code == 0)
        // Nor do they go where another file has got the stream's number.
        #expect(try json(folder.path + "/masks.json")["annotations"] is [Any])
        let failed = try shell("mal convert missing.json out2.json \(redirection) >&3", in: folder)
        #expect(failed.code == 1)
    }

    @Test(
        "A result that can't be printed is exit code 1, and says so",
        arguments: [">/dev/full", ">&-"])
    func results(redirection: String) throws {
        let folder = try TemporaryFolder()
        let reason = redirection == ">&-" ? "Bad file descriptor" : "No space left on device"
        for arguments in [
            "convert \"$BOXES\" out.json --to coco -q", "--help", "--version", "spec train",
            "checkpoint info \"$MODEL\"", "validate \"$BOXES\"",
        ] {
            let run = try shell("mal \(arguments) 2>&3 \(redirection)", in: folder)
            #expect(run.code == 1, "\(arguments)")
            #expect(
                run.log.hasSuffix("Error: standard output: cannot print the result: \(reason)\n"),
                "\(arguments)")
        }
        #expect(try shell("mal --help >/dev/full 2>/dev/full", in: folder).code == 1)
        #expect(try shell("mal --help >&- 2>&-", in: folder).code == 1)
    }

    @Test("A reader that is gone ends with exit code 1, not with a signal")
    func goneReader() throws {
        let folder = try TemporaryFolder()
        // The reader ends at once; the writer begins when it has.
        let run = try shell(
            "{ sleep 0.2; mal spec train 2>&3; echo $? > pipe; } | true", in: folder)
        #expect(run.log.contains("cannot print the result: Broken pipe"))
        #expect(try String(contentsOfFile: folder.path + "/pipe", encoding: .utf8) == "1\n")
    }

    @Test(
        "An address space without room is an error, not a trap",
        arguments: [300_000, 500_000, 600_000, 700_000])
    func addressSpace(kilobytes: Int) throws {
        let folder = try TemporaryFolder()
        let run = try shell(
            """
            ulimit -v \(kilobytes); mal label "$IMAGES" --boxes "$BOXES" --out \
            masks.json --checkpoint "$MODEL" --crop-size 64 --device cpu model.num_heads=3 2>&3
            """, in: folder)
        // 127 is the loader's, before there is a program.
        #expect([0, 1, 127].contains(run.code), "\(run.log)")
        let saysWhy = run.log.contains("emory") || run.log.contains("failed to map segment")
        #expect(run.code == 0 || saysWhy, "\(run.log)")
    }

    @Test("A thread that the system does not give is an error that says so")
    func noThread() throws {
        let folder = try TemporaryFolder()
        // Each thread asks for a stack of twice the address space.
        let run = try shell(
            """
            ulimit -v 4000000; OMP_STACKSIZE=8G mal label "$IMAGES" --boxes "$BOXES" --out \
            masks.json --checkpoint "$MODEL" --crop-size 64 --threads 2 --device cpu model.num_heads=3 2>&3
            """, in: folder)
        #expect(run.code == 1)
        #expect(run.log.contains("Error: out of memory or threads"), "\(run.log)")
    }
}
