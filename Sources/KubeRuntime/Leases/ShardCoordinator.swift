// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// Decides which shards one of several replicas holds. Pure: leases as they were read go in, actions come out.
///
/// Each shard has a Lease, and each replica has one that says that it lives. A replica's share is the number of shards
/// divided by the number of replicas that live, the first ones in the order of their names taking the rest; it gives back
/// what it holds beyond its share, and takes free shards up to its share.
///
/// | a shard's lease | we hold less than our share | we hold our share | more |
/// | --- | --- | --- | --- |
/// | ours | renew | renew | renew, or give back |
/// | missing or released | take | leave | leave |
/// | another's, seen to change within its duration | leave | leave | leave |
/// | another's, unchanged for its duration | take | leave | leave |
///
/// As with one lease, clocks of different machines are never compared.
public struct ShardCoordinator: Sendable {
    /// What to do about one lease.
    public enum Action: Sendable, Hashable {
        /// Write this record for a shard: take or renew it.
        case hold(shard: Int, LeaseRecord)
        /// Stop the work of a shard; once that has ended, give it back.
        case giveBack(shard: Int)
        /// A shard isn't ours any more: stop its work.
        case lost(shard: Int)
        /// Write this record as the sign of life.
        case live(LeaseRecord)
        /// Delete the sign of life of a replica that is long gone.
        case bury(identity: String)
    }

    private struct Observation: Sendable {
        var record: LeaseRecord
        var since: WallTime
    }

    /// After how many lease durations a dead replica's sign of life is deleted.
    static let burial = 20

    /// Who we are.
    public let identity: String
    /// The number of shards.
    public let count: Int
    /// The timing of all leases.
    public let timing: LeaseTiming
    /// Where we answer requests, for the Leases; empty for nowhere.
    public let address: String
    private var shards: [Int: Observation] = [:]
    private var members: [String: Observation] = [:]
    private var renewed: [Int: WallTime] = [:]
    private var leaving: Set<Int> = []

    /// A replica that holds nothing yet.
    public init(identity: String, count: Int, timing: LeaseTiming = LeaseTiming(), address: String = "") {
        self.address = address
        self.identity = identity
        self.count = max(1, count)
        self.timing = timing
    }

    /// The shards that we hold, those that we are giving back included.
    public var held: Set<Int> { Set(renewed.keys) }

    /// The replicas that live, as far as we have seen, ourselves included.
    public func living(now: WallTime) -> [String] {
        var living = Set([identity])
        for (name, member) in members where now - member.since < Self.duration(of: member.record) {
            living.insert(name)
        }
        return living.sorted()
    }

    /// How many shards are ours to hold.
    public func share(now: WallTime) -> Int {
        let living = living(now: now)
        let place = living.firstIndex(of: identity) ?? 0
        return count / living.count + (place < count % living.count ? 1 : 0)
    }

    /// Looks at all leases as they were read.
    public mutating func observe(
        shards found: [Int: LeaseRecord],
        members present: [String: LeaseRecord],
        now: WallTime
    ) -> [Action] {
        note(found, present, now: now)
        var actions: [Action] = [.live(claim(after: present[identity], now: now))]
        for shard in held.sorted() where found[shard].map({ $0.holder != identity }) ?? true {
            forget(shard)
            actions.append(.lost(shard: shard))
        }
        let share = share(now: now)
        let surplus = max(0, held.count - leaving.count - share)
        for shard in held.subtracting(leaving).sorted(by: >).prefix(surplus) { leaving.insert(shard) }
        // Somebody went away meanwhile: what is not yet given back may stay.
        let missing = max(0, share - (held.count - leaving.count))
        for shard in leaving.sorted().prefix(missing) { leaving.remove(shard) }
        for shard in held.sorted() {
            actions.append(.hold(shard: shard, claim(after: found[shard], now: now)))
            if leaving.contains(shard) { actions.append(.giveBack(shard: shard)) }
        }
        for shard in free(found, now: now).prefix(max(0, share - held.count)) {
            actions.append(.hold(shard: shard, claim(after: found[shard], now: now)))
        }
        let grave = timing.leaseDuration * Self.burial
        for (name, member) in members.sorted(by: { $0.key < $1.key }) where now - member.since >= grave {
            if name != identity { actions.append(.bury(identity: name)) }
        }
        return actions
    }

    /// Our record of a shard was written; `sent` is when the request was begun.
    public mutating func wrote(shard: Int, _ record: LeaseRecord, sent: WallTime) {
        shards[shard] = Observation(record: record, since: sent)
        renewed[shard] = sent
    }

    /// Until when we may work on a shard without a further renewal; `nil` for one that isn't ours.
    public func worksUntil(shard: Int) -> WallTime? { renewed[shard].map { $0 + timing.renewDeadline } }

    /// Forgets the shards whose time is up, and answers them.
    public mutating func expire(now: WallTime) -> [Int] {
        let over = held.filter { shard in worksUntil(shard: shard).map { $0 <= now } ?? true }.sorted()
        for shard in over { forget(shard) }
        return over
    }

    /// A shard was given back.
    public mutating func gaveBack(shard: Int) { forget(shard) }

    /// The record that frees a shard's lease, should we hold it.
    public func release(shard: Int, now: WallTime) -> LeaseRecord? {
        guard var record = shards[shard]?.record, record.holder == identity else { return nil }
        record.holder = ""
        record.address = ""
        record.durationSeconds = 1
        record.renewed = now
        return record
    }

    private mutating func forget(_ shard: Int) {
        renewed[shard] = nil
        leaving.remove(shard)
    }

    private mutating func note(_ found: [Int: LeaseRecord], _ present: [String: LeaseRecord], now: WallTime) {
        shards = shards.filter { found[$0.key] != nil }
        for (shard, record) in found where shards[shard]?.record != record {
            shards[shard] = Observation(record: record, since: now)
        }
        members = members.filter { present[$0.key] != nil }
        for (name, record) in present where members[name]?.record != record {
            members[name] = Observation(record: record, since: now)
        }
    }

    /// The shards that nobody works on; each replica begins at another one, so that they don't race for the same.
    private func free(_ found: [Int: LeaseRecord], now: WallTime) -> [Int] {
        let living = living(now: now)
        let place = living.firstIndex(of: identity) ?? 0
        let first = place * count / living.count
        return (0..<count).map { ($0 + first) % count }.filter { shard in
            guard renewed[shard] == nil else { return false }
            guard let record = found[shard], let seen = shards[shard] else { return true }
            // A record with our name that we didn't renew in time: its writes have ended, nobody else may have it.
            if record.holder.isEmpty || record.holder == identity { return true }
            return now - seen.since >= Self.duration(of: seen.record)
        }
    }

    private static func duration(of record: LeaseRecord) -> Duration {
        .seconds(max(1, min(record.durationSeconds, 86_400)))
    }

    private func claim(after record: LeaseRecord?, now: WallTime) -> LeaseRecord {
        let isRenewal = record?.holder == identity
        let transitions = record.map { isRenewal ? $0.transitions : min($0.transitions, Int(Int32.max) - 1) + 1 } ?? 0
        return LeaseRecord(
            holder: identity,
            durationSeconds: timing.durationSeconds,
            acquired: isRenewal ? record?.acquired : now,
            renewed: now,
            transitions: transitions,
            address: address
        )
    }
}
