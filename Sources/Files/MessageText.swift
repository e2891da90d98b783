import Foundation

/// Text from outside made fit for one line of a message: quoted, shortened, and without control
/// characters, so that a hostile file cannot drive the terminal.
package func quoted(_ text: some StringProtocol) -> String {
    "\"\(printable(text))\""
}

/// `quoted` without the quotes.
package func printable(_ text: some StringProtocol, limit: Int = 80) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(limit) {
        switch scalar {
        case "\n": shown += "\\n"
        case "\t": shown += "\\t"
        case _ where isUnprintable(scalar): shown += "\\u{\(String(scalar.value, radix: 16))}"
        default: shown.unicodeScalars.append(scalar)
        }
    }
    return text.unicodeScalars.count > limit ? shown + "…" : shown
}

private func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
    default: false
    }
}

extension String {
    /// In quotes for a message: control characters escaped, cut after 60 characters.
    package var quoted: String {
        let kept = unicodeScalars.prefix(60)
        return String(kept).debugDescription + (kept.endIndex < endIndex ? "…" : "")
    }
}

/// The first few of `items`, and how many more there are.
package func listed(_ items: [String], limit: Int = 5) -> String {
    let more = items.count > limit ? ", … (\(items.count))" : ""
    return items.prefix(limit).joined(separator: ", ") + more
}

/// The least number of inserted, removed, replaced or swapped letters that turns one into the
/// other.
package func editDistance(_ first: String, _ second: String) -> Int {
    let a = Array(first.utf8)
    let b = Array(second.utf8)
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                cost = min(cost, beforeLast[j - 1] + 1)
            }
            row.append(cost)
        }
        (beforeLast, last) = (last, row)
    }
    return last[b.count]
}

/// The word that `word` was most likely meant to be; nil when none is near.
package func nearestWord(to word: String, among known: [String]) -> String? {
    guard word.utf8.count <= 100 else { return nil }
    let distances = known.map { ($0, editDistance(word, $0)) }
    // Of a short word, more than half stays.
    let most = min(max(2, word.count / 3), word.count / 2)
    return distances.min { $0.1 < $1.1 }.flatMap { $0.1 <= most ? $0.0 : nil }
}
