import Annotations

/// The names and numbers that categories have in formats without ids of their own.
struct CategoryNumbers {
    /// The name of each category by its place in the file, none of them twice.
    let names: [String]

    init(_ file: AnnotationFile) {
        var taken: Set<String> = []
        names = file.categories.map { category in
            let name = category.name ?? "category \(category.id.plain)"
            if taken.insert(name).inserted { return name }
            var number = 2
            while !taken.insert("\(name) \(number)").inserted { number += 1 }
            return "\(name) \(number)"
        }
    }

    /// Numbers from 1 to 255 at most that leave `reserved` out: the ids where all are such numbers,
    /// else places in the file from 1 on.
    ///
    /// - Parameter isUsed: whether a category, by place, needs a number at all.
    static func numbers(
        of file: AnnotationFile, upTo limit: Int, reserved: Set<Int> = [],
        isUsed: (Int) -> Bool = { _ in true }
    ) -> [Int?] {
        let used = file.categories.indices.filter(isUsed)
        var numbers = [Int?](repeating: nil, count: file.categories.count)
        var ids: Set<Int> = []
        for place in used {
            guard case .integer(let id) = file.categories[place].id, (1...limit).contains(Int(id)),
                !reserved.contains(Int(id)), ids.insert(Int(id)).inserted
            else { break }
            numbers[place] = Int(id)
        }
        if ids.count == used.count { return numbers }
        var next = 1
        for place in used {
            while reserved.contains(next) { next += 1 }
            numbers[place] = next <= limit ? next : nil
            next += 1
        }
        return numbers
    }
}
