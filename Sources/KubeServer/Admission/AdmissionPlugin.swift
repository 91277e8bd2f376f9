// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// One write that an admission plugin may judge.
public struct AdmissionRequest: Sendable {
    /// What is done to the object.
    public enum Operation: String, Sendable, Hashable {
        /// A new object.
        case create = "CREATE"
        /// A changed object.
        case update = "UPDATE"
        /// A deleted object.
        case delete = "DELETE"
    }

    /// What is done.
    public var operation: Operation
    /// The resource that is written.
    public var resource: ResourceType
    /// The subresource that is written; `nil` for the object itself.
    public var subresource: String?
    /// The object as it would be stored; for a delete, the object that goes away.
    public var object: KubeObject
    /// The object as it is stored now; `nil` when it is new.
    public var old: KubeObject?
    /// Whether nothing will be stored.
    public var dryRun: Bool

    /// A request.
    public init(
        operation: Operation,
        resource: ResourceType,
        subresource: String? = nil,
        object: KubeObject,
        old: KubeObject? = nil,
        dryRun: Bool = false
    ) {
        self.operation = operation
        self.resource = resource
        self.subresource = subresource
        self.object = object
        self.old = old
        self.dryRun = dryRun
    }
}

/// What an admission plugin answers when it lets a write pass.
public struct AdmissionResponse: Sendable {
    /// The object to store, which the plugin may have changed.
    public var object: KubeObject
    /// Sentences for the user, sent as `Warning` headers.
    public var warnings: [String]

    /// A response.
    public init(object: KubeObject, warnings: [String] = []) {
        self.object = object
        self.warnings = warnings
    }
}

/// Judges writes inside the server, as an admission webhook does outside of it.
///
/// A plugin is called under the server's lock: it must be a pure, quick function that calls nothing back.
public protocol AdmissionPlugin: Sendable {
    /// Lets `request` pass, changed or not, or refuses it by throwing the status that the client gets.
    func review(_ request: AdmissionRequest) throws(APIStatus) -> AdmissionResponse
}
