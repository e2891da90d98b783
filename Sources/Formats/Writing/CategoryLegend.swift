import Annotations
import Files

/// What the numbers of label images mean: `categories.csv`, and the colours that viewers show.
struct CategoryLegend {
    /// The number of each category by its place in the file.
    let numbers: [Int?]
    private let names: [String]
    private let ids: [String]
    private let void: Int?

    static let fileName = "categories.csv"

    init(_ file: AnnotationFile, numbers: [Int?], void: Int? = nil) {
        self.numbers = numbers
        self.void = void
        names = CategoryNumbers(file).names
        ids = file.categories.map { $0.id.plain }
    }

    /// A line a number: the number, the category's id and name, and a colour.
    func write(into folder: inout OutputFolder) throws {
        var text = TextBuffer()
        text.append("value,id,name,red,green,blue\n")
        func line(_ value: Int, _ id: String, _ name: String) {
            let color = Self.color(value)
            text.append(
                "\(value),\(Int(id) == nil ? CSVText.field(id) : id),\(CSVText.field(name)),")
            text.append("\(color.red),\(color.green),\(color.blue)\n")
        }
        for (place, number) in numbers.enumerated() {
            if let number { line(number, ids[place], names[place]) }
        }
        if let void { line(void, "", "void") }
        try folder.write(text.bytes, to: Self.fileName)
    }

    /// Pascal VOC's colours: the bits of the number, dealt out to red, green and blue, highest
    /// first.
    static func color(_ number: Int) -> (red: Int, green: Int, blue: Int) {
        var (red, green, blue) = (0, 0, 0)
        var rest = number
        for bit in stride(from: 7, through: 0, by: -1) {
            red |= (rest & 1) << bit
            green |= (rest >> 1 & 1) << bit
            blue |= (rest >> 2 & 1) << bit
            rest >>= 3
        }
        return (red, green, blue)
    }

    /// The same in 24 bits, red highest.
    static func packedColor(_ number: Int) -> UInt32 {
        let color = color(number)
        return UInt32(color.red << 16 | color.green << 8 | color.blue)
    }

    /// The number that has a colour.
    ///
    /// - Parameter color: red in the highest of 24 bits.
    static func number(ofColor color: UInt32) -> Int {
        var number = 0
        for bit in 0..<8 {
            for channel in 0..<3 {
                let isSet = Int(color >> UInt32(16 - 8 * channel + bit)) & 1
                number |= isSet << (3 * (7 - bit) + channel)
            }
        }
        return number
    }

    /// 256 colours, red first.
    static let palette: [UInt8] = (0..<256).flatMap { number in
        let color = color(number)
        return [UInt8(color.red), UInt8(color.green), UInt8(color.blue)]
    }
}

/// Fields of comma-separated tables.
enum CSVText {
    /// In quotes where it has to be (RFC 4180). What a spreadsheet would compute gets a `'` in front, so that it
    /// stays text; ``CSVTable`` takes it off.
    static func field(_ text: String) -> String {
        let isFormula = isFormula(text.utf8)
        guard isFormula || text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
        return "\"" + (isFormula ? "'" : "") + text.replacing("\"", with: "\"\"") + "\""
    }

    /// Whether a text begins with `= + - @`, or with as many `'` as it likes before them.
    static func isFormula(_ text: some Collection<UInt8>) -> Bool {
        text.first { $0 != UInt8(ascii: "'") }.map("=+-@".utf8.contains) ?? false
    }
}
