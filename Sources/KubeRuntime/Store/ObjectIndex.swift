// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import KubeModel

/// Something that objects are found by, as a number: a namespace, an owner's uid, a label with its value.
///
/// Two things may share a number (FNV-1a, 64 bits), so whoever looks up checks what it finds.
struct Facet: Sendable, Hashable {
    private let number: UInt64

    private init(_ kind: UInt8, _ first: String, _ second: String = "") {
        // The offset basis and the prime of FNV-1a with 64 bits.
        var sum: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ byte: UInt8) { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01b3 }
        add(kind)
        for byte in first.utf8 { add(byte) }
        add(0)
        for byte in second.utf8 { add(byte) }
        number = sum
    }

    static func namespace(_ name: String) -> Facet { Facet(1, name) }
    static func owner(uid: String) -> Facet { Facet(2, uid) }
    static func label(_ key: String, _ value: String) -> Facet { Facet(3, key, value) }

    /// All facets of an object in a store that indexes `labels`.
    static func all(of object: KubeObject, labels: [String]) -> [Facet] {
        var facets: [Facet] = []
        if let namespace = object.namespace { facets.append(.namespace(namespace)) }
        for owner in object.json.at("metadata", "ownerReferences")?.array ?? [] {
            if let uid = owner["uid"]?.string { facets.append(.owner(uid: uid)) }
        }
        if !labels.isEmpty, let present = object.json.at("metadata", "labels") {
            for label in labels {
                if let value = present[label]?.string { facets.append(.label(label, value)) }
            }
        }
        return facets
    }
}

/// Which objects have a facet. Changes and look-ups are O(1) for each object concerned.
struct ObjectIndex: Sendable {
    private enum Places: Sendable {
        case one(ObjectKey)
        case many(Set<ObjectKey>)
    }

    private var places: [Facet: Places] = [:]

    /// The keys with a facet, in no order.
    func keys(_ facet: Facet) -> [ObjectKey] {
        switch places[facet] {
        case nil: []
        case .one(let key): [key]
        case .many(let keys): Array(keys)
        }
    }

    /// Whether any object has the facet.
    func contains(_ facet: Facet) -> Bool { places[facet] != nil }

    mutating func insert(_ key: ObjectKey, _ facets: [Facet]) {
        for facet in facets {
            // Taken out first, so that the set changes in place.
            switch places.removeValue(forKey: facet) {
            case nil: places[facet] = .one(key)
            case .one(let other): places[facet] = other == key ? .one(key) : .many([other, key])
            case .many(var keys):
                keys.insert(key)
                places[facet] = .many(keys)
            }
        }
    }

    mutating func remove(_ key: ObjectKey, _ facets: [Facet]) {
        for facet in facets {
            switch places.removeValue(forKey: facet) {
            case nil: break
            case .one(let other): if other != key { places[facet] = .one(other) }
            case .many(var keys):
                keys.remove(key)
                if keys.count == 1, let last = keys.first {
                    places[facet] = .one(last)
                } else if !keys.isEmpty {
                    places[facet] = .many(keys)
                }
            }
        }
    }
}
