// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The objects of one kind in the order of `namespace/name`: a sorted array, so that lists and pages are slices of it.
struct ObjectTable: Sendable {
    /// The objects, in their order.
    private(set) var objects: [StoredObject] = []

    /// A table of `objects`, in any order.
    init(_ objects: [StoredObject] = []) { self.objects = objects.sorted { $0.place < $1.place } }

    /// The object at a place.
    subscript(place: String) -> StoredObject? {
        let index = index(of: place)
        return index < objects.count && objects[index].place == place ? objects[index] : nil
    }

    /// Adds an object, or puts it in the place of the one before, which it answers.
    mutating func put(_ object: StoredObject) -> StoredObject? {
        let index = index(of: object.place)
        if index < objects.count, objects[index].place == object.place {
            let old = objects[index]
            objects[index] = object
            return old
        }
        objects.insert(object, at: index)
        return nil
    }

    /// Removes the object at a place, and answers it.
    mutating func remove(_ place: String) -> StoredObject? {
        let index = index(of: place)
        guard index < objects.count, objects[index].place == place else { return nil }
        return objects.remove(at: index)
    }

    /// The objects of a namespace; all of them for `nil`.
    func slice(namespace: String?) -> ArraySlice<StoredObject> {
        guard let namespace else { return objects[...] }
        // "0" is the character after "/".
        return objects[index(of: namespace + "/")..<index(of: namespace + "0")]
    }

    /// The first index whose place isn't before `place`.
    private func index(of place: String) -> Int {
        var low = 0
        var high = objects.count
        while low < high {
            let middle = (low + high) / 2
            if objects[middle].place < place { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
