import Annotations
import CFuzz

extension Reader {
    /// Not a reader: each input is another fault, and every one must be a finding.
    static func faults(_ places: Places) -> Reader {
        Reader(name: "faults", generate: { _ in [1, 2, 3] }) { input, index in
            let three = input.count
            var numbers = [Int](repeating: three, count: three)
            switch index {
            case 0: _ = cf_plant_overflow(three - 3)
            case 1: _ = cf_plant_use_after_free(three - 3)
            case 2: _ = cf_plant_undefined(Int32(three - 3))
            case 3: numbers[three] = 1
            case 4: numbers[0] = Int.max - 3 + three + numbers[1]
            case 5: numbers.withUnsafeMutableBufferPointer { $0.baseAddress![three] = 1 }
            case 6: numbers[0] = Int((cf_guarded(input, three) + three).pointee)
            case 7: numbers = [Int](repeating: three, count: 40_000_000)
            case 8: while numbers[0] != 4 { numbers[1] &+= numbers[0] }
            case 9: throw WrongUse("of no kind that readers throw")
            case 10: throw AnnotationError.segmentation(String(repeating: "x", count: 1 << 17))
            default: cf_plant_leak()
            }
            require(numbers.count > numbers[0] % 2, "")
        }
    }

    static let faultCount = 12
}
