// Keys that labelling itself has no use for are not read with the file; these look them up.
extension AnnotationFile {
    /// The number that an annotation has under a key; nil when the key is absent or is something
    /// else. Of a key that is repeated the last counts.
    package func number(_ name: String, of annotation: AnnotationRecord) -> Double? {
        member(name, of: annotation).flatMap { range in
            bytes.withBytes { JSONScanner($0, range).number(range) }
        }
    }

    /// The value that an annotation has under a key; nil when the key is absent.
    package func member(_ name: String, of annotation: AnnotationRecord) -> Range<Int>? {
        bytes.withBytes { content in
            var scanner = JSONScanner(content, annotation.range)
            let text = scanner
            var found: Range<Int>?
            scanner.members { key, value in
                if text.text(key) == name { found = value }
            }
            return found
        }
    }

    /// What a reviewer said of an annotation, its `review.state`; nil without a review.
    package func reviewState(of annotation: AnnotationRecord) -> String? {
        member("review", of: annotation).flatMap { review in
            bytes.withBytes { content in
                var scanner = JSONScanner(content, review)
                let text = scanner
                var state: String?
                scanner.members { key, value in
                    guard text.text(key) == "state" else { return }
                    state = content[value.lowerBound] == UInt8(ascii: "\"") ? text.text(value) : nil
                }
                return state
            }
        }
    }

    /// The number under `area`; nil when there is none.
    package func area(of annotation: AnnotationRecord) -> Double? {
        annotation.areaRange.flatMap { range in
            bytes.withBytes { JSONScanner($0, range).number(range) }
        }
    }

    /// Whether any annotation has this key, whatever its value.
    package func anyAnnotationHas(_ name: String) -> Bool {
        bytes.withBytes { content in
            annotations.contains { annotation in
                var scanner = JSONScanner(content, annotation.range)
                let text = scanner
                var isThere = false
                scanner.members { key, _ in isThere = isThere || text.text(key) == name }
                return isThere
            }
        }
    }
}

extension AnnotationFile {
    /// The numbers that an annotation has under some keys, as ``number(_:of:)``, in one look.
    package func numbers(_ names: [String], of annotation: AnnotationRecord) -> [Double?] {
        bytes.withBytes { content in
            var scanner = JSONScanner(content, annotation.range)
            let text = scanner
            var found = [Double?](repeating: nil, count: names.count)
            scanner.members { key, value in
                let spelled = content[key.dropFirst().dropLast()]
                for (place, name) in names.enumerated() where spelled.elementsEqual(name.utf8) {
                    found[place] = text.number(value)
                }
            }
            return found
        }
    }
}
