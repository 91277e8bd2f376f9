// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Gives each user one of several parties, in proportion to their weights and without keeping anything.
///
/// Weighted rendezvous hashing: each party scores `-weight / ln(h)`, where `h` is a hash of user and party between 0
/// and 1, and the highest score wins (D. Thaler, C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates",
/// 1998; the logarithmic method for weights: C. Schindelhauer, G. Schomaker, "Weighted Distributed Hash Tables", SPAA
/// 2005). When one weight grows, its party's scores grow and no other's do against each other, so the users who move
/// are those who must: at 10 → 25 per cent 15 per cent of them, all to the party that grew.
enum WeightedRendezvous {
    /// The index of the party that `user` belongs to; `nil` where all weights are 0.
    static func choose(user: String, parties: [(name: String, weight: Int)]) -> Int? {
        var best: (index: Int, score: Double)?
        for (index, party) in parties.enumerated() where party.weight > 0 {
            let score = -Double(party.weight) / log(unit(user, party.name))
            if score > best?.score ?? -1 { best = (index, score) }
        }
        return best?.index
    }

    /// A hash of both texts as a number between 0 and 1, neither of them included; the same in every process.
    ///
    /// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), whose bits are then mixed as SplitMix64's, for FNV's high
    /// bits hardly depend on the last bytes.
    private static func unit(_ user: String, _ party: String) -> Double {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ text: String) { for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 } }
        add(user)
        hash = (hash ^ 0xff) &* 0x100_0000_01b3  // No UTF-8 text has this byte.
        add(party)
        hash = (hash ^ hash >> 30) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ hash >> 27) &* 0x94d0_49bb_1331_11eb
        hash ^= hash >> 31
        return (Double(hash >> 11) + 0.5) * 0x1p-53
    }
}
