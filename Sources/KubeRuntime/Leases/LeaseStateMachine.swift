// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeModel

/// How long a leader leads without renewing, and how often it renews; the defaults are client-go's.
public struct LeaseTiming: Sendable, Hashable {
    /// How long others wait after the last renewal that they saw.
    public var leaseDuration: Duration
    /// After how long without a successful renewal a leader stops leading; below `leaseDuration`.
    public var renewDeadline: Duration
    /// The wait between tries.
    public var retryPeriod: Duration

    /// Timing.
    public init(
        leaseDuration: Duration = .seconds(15),
        renewDeadline: Duration = .seconds(10),
        retryPeriod: Duration = .seconds(2)
    ) {
        self.leaseDuration = leaseDuration
        self.renewDeadline = min(renewDeadline, leaseDuration)
        self.retryPeriod = retryPeriod
    }

    /// After how long since the last renewal every write has ended: half of the time that is left for others to wait.
    public var writesEndWithin: Duration { renewDeadline + (leaseDuration - renewDeadline) / 2 }

    /// The lease duration as a Lease says it: in whole seconds, rounded up, so that nobody takes it too early.
    var durationSeconds: Int {
        let (seconds, rest) = leaseDuration.components
        return max(1, Int(seconds) + (rest > 0 ? 1 : 0))
    }
}

/// What a Lease says.
public struct LeaseRecord: Sendable, Hashable {
    /// Who leads; empty when the lease was released.
    public var holder: String
    /// For how long, in whole seconds.
    public var durationSeconds: Int
    /// Since when.
    public var acquired: WallTime?
    /// When it was renewed last, by the holder's clock.
    public var renewed: WallTime?
    /// How often the leader changed.
    public var transitions: Int
    /// Where the holder answers requests, as `host:port`; empty where it answers none.
    public var address: String

    /// The annotation with the address.
    public static let addressAnnotation = "modelfleet.dev/address"

    /// Reads a Lease.
    public init(_ lease: KubeObject) {
        holder = lease["spec", "holderIdentity"]?.string ?? ""
        durationSeconds = lease["spec", "leaseDurationSeconds"]?.int ?? 0
        acquired = lease["spec", "acquireTime"]?.string.flatMap(WallTime.init(rfc3339:))
        renewed = lease["spec", "renewTime"]?.string.flatMap(WallTime.init(rfc3339:))
        transitions = lease["spec", "leaseTransitions"]?.int ?? 0
        address = lease.annotation(Self.addressAnnotation) ?? ""
    }

    /// A record.
    public init(
        holder: String,
        durationSeconds: Int,
        acquired: WallTime?,
        renewed: WallTime?,
        transitions: Int,
        address: String = ""
    ) {
        self.holder = holder
        self.durationSeconds = durationSeconds
        self.acquired = acquired
        self.renewed = renewed
        self.transitions = transitions
        self.address = address
    }

    /// Writes the record into a Lease.
    public func write(to lease: inout KubeObject) {
        lease["spec", "holderIdentity"] = .string(holder)
        lease["spec", "leaseDurationSeconds"] = JSONValue(durationSeconds)
        lease["spec", "acquireTime"] = acquired.map { .string($0.rfc3339Micro) }
        lease["spec", "renewTime"] = renewed.map { .string($0.rfc3339Micro) }
        lease["spec", "leaseTransitions"] = JSONValue(transitions)
        guard !address.isEmpty || lease.annotation(Self.addressAnnotation) != nil else { return }
        lease.setAnnotation(Self.addressAnnotation, to: address.isEmpty ? nil : address)
    }
}

/// Decides about a lease: when to take it, renew it, give up. Pure.
///
/// Clocks of different machines are never compared: another's lease has run out when *we* saw no change of it for its
/// whole duration.
///
/// | lease | we | action |
/// | --- | --- | --- |
/// | missing | | create |
/// | released | | take |
/// | ours | | renew |
/// | another's, seen to change within its duration | follow | wait |
/// | another's, unchanged for its duration | follow | take |
public struct LeaseStateMachine: Sendable {
    /// What to do about the lease.
    public enum Action: Sendable, Hashable {
        /// Create the lease with this record.
        case create(LeaseRecord)
        /// Replace it by this record, on the version that was read.
        case update(LeaseRecord)
        /// Another leads: look again after the retry period.
        case wait
    }

    /// Who we are; differs for every process.
    public let identity: String
    /// The timing.
    public let timing: LeaseTiming
    /// Where we answer requests, for the Lease; empty for nowhere.
    public let address: String
    private var observed: LeaseRecord?
    private var observedAt: WallTime?
    private var lastRenewal: WallTime?

    /// A follower.
    public init(identity: String, timing: LeaseTiming = LeaseTiming(), address: String = "") {
        self.address = address
        self.identity = identity
        self.timing = timing
    }

    /// Whether we may act as the leader at `now`: our last renewal is within the renew deadline.
    public func isLeader(at now: WallTime) -> Bool {
        lastRenewal.map { now - $0 < timing.renewDeadline } ?? false
    }

    /// Until when we lead without a further renewal; `nil` for a follower.
    public var leadsUntil: WallTime? { lastRenewal.map { $0 + timing.renewDeadline } }

    /// Who leads, as far as we have seen.
    public var holder: String { observed?.holder ?? "" }

    /// Looks at the lease as it was read (`nil`: it doesn't exist).
    public mutating func observe(_ record: LeaseRecord?, now: WallTime) -> Action {
        guard let record else { return .create(claim(after: nil, now: now)) }
        if record != observed {
            observed = record
            observedAt = now
        }
        if record.holder == identity || record.holder.isEmpty { return .update(claim(after: record, now: now)) }
        lastRenewal = nil
        let duration = Duration.seconds(max(1, min(record.durationSeconds, 86_400)))
        let isOver = observedAt.map { now - $0 >= duration } ?? false
        return isOver ? .update(claim(after: record, now: now)) : .wait
    }

    /// Our record was written; `sent` is when the request was begun, which is what the deadline counts from.
    public mutating func wrote(_ record: LeaseRecord, sent: WallTime) {
        observed = record
        observedAt = sent
        lastRenewal = sent
    }

    /// We lost the lease or gave it back.
    public mutating func stepDown() { lastRenewal = nil }

    /// The record that releases the lease for others, should we hold it.
    public func release(now: WallTime) -> LeaseRecord? {
        guard var record = observed, record.holder == identity else { return nil }
        record.holder = ""
        record.address = ""
        record.durationSeconds = 1
        record.renewed = now
        return record
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
