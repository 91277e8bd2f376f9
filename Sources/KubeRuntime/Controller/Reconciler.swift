// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeAPI
public import KubeModel

/// What a reconcile waits for. Failure is thrown; there is no third way.
public enum ReconcileOutcome: Sendable, Hashable {
    /// Everything is as wanted, or a change will tell.
    case awaitChange
    /// Look again after a while, also without a change.
    case requeue(after: Duration)
}

/// Brings one object's world to what the object wants.
///
/// It is told a key, never an event: it reads what is true now and acts on the difference. It must be safe to run again,
/// at any time, after stopping anywhere. Two reconciles of one key never run at once.
public protocol Reconciler: Sendable {
    /// Reconciles the object `key`, which may be gone.
    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome
}

/// A reconciler made of a closure.
public struct ClosureReconciler: Reconciler {
    private let body: @Sendable (ObjectKey) async throws -> ReconcileOutcome

    /// Wraps `body`.
    public init(_ body: @escaping @Sendable (ObjectKey) async throws -> ReconcileOutcome) { self.body = body }

    /// Calls the closure.
    public func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome { try await body(key) }
}

/// An error that knows what a caller may do about it.
public protocol DispositionedError: Error {
    /// What a caller may do about it.
    var disposition: ErrorDisposition { get }
}

extension KubeError: DispositionedError {}

/// A reconcile took longer than it may.
public struct ReconcileTimedOut: Error, Hashable, CustomStringConvertible {
    /// The deadline that passed.
    public var limit: Duration

    /// Says the limit.
    public var description: String { "the reconcile took longer than \(limit.components.seconds) seconds" }
}
