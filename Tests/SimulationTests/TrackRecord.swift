// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Seeds whose worlds broke a promise once; `TrackRecord.md` says why.
///
/// A seed stands for a world only as long as nothing draws differently from it: after a change of the simulation itself
/// these are worlds like any others.
enum TrackRecord {
    /// The seeds.
    static let seeds: [UInt64] = [11, 13, 27, 98, 127]
}
