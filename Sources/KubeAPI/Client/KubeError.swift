// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// A call to the Kubernetes API that failed: what was asked, of whom, and why it didn't work.
public struct KubeError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case connection, timedOut, cancelled, refused, unreadable, watchFailed, invalidRequest, credentials
        }

        private let kind: Kind

        /// No response arrived.
        public static let connection = Code(kind: .connection)
        /// The deadline passed first.
        public static let timedOut = Code(kind: .timedOut)
        /// The task was cancelled.
        public static let cancelled = Code(kind: .cancelled)
        /// The server answered with a failure; see `status`.
        public static let refused = Code(kind: .refused)
        /// The answer isn't what the API promises.
        public static let unreadable = Code(kind: .unreadable)
        /// A watch told of an error; see `status`.
        public static let watchFailed = Code(kind: .watchFailed)
        /// The request can't be sent as it is, for example without a name.
        public static let invalidRequest = Code(kind: .invalidRequest)
        /// There is no credential to send it with: a token file is missing, a plugin fails.
        public static let credentials = Code(kind: .credentials)

        /// The name of the code.
        public var description: String { kind.rawValue }
    }

    /// What kind of failure it is.
    public var code: Code
    /// The API verb: `get`, `apply`.
    public var verb: String
    /// The resource: `deployments.apps`; empty for raw calls.
    public var resource: String
    /// The object, where the call was about one.
    public var key: ObjectKey?
    /// Why it failed, in a sentence for people.
    public var message: String
    /// The server's answer, where there was one.
    public var status: APIStatus?
    /// What the transport threw, where it did.
    public var cause: (any Error)?
    /// The uid of the priority level in which the server's flow control put the request; `nil` where it has none.
    public var priorityLevel: String?

    /// An error.
    public init(
        code: Code,
        verb: String,
        resource: String,
        key: ObjectKey? = nil,
        message: String,
        status: APIStatus? = nil,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.verb = verb
        self.resource = resource
        self.key = key
        self.message = message
        self.status = status
        self.cause = cause
    }

    init(_ code: Code, _ request: KubeRequest, _ message: String, status: APIStatus? = nil, cause: (any Error)? = nil) {
        self.init(
            code: code,
            verb: request.verb,
            resource: request.resource,
            key: request.key,
            message: message,
            status: status,
            cause: cause
        )
    }

    /// The HTTP status that the server answered with; `nil` without an answer.
    public var httpStatus: Int? { status?.code }
    /// The server's word for the failure (`NotFound`); empty without an answer.
    public var reason: String { status?.reason ?? "" }
    /// What is wrong field by field, where the server said so.
    public var causes: [APIStatus.Cause] { status?.causes ?? [] }

    /// Whether the object (or its resource) doesn't exist.
    public var isNotFound: Bool { httpStatus == 404 }
    /// Whether someone else changed the object, or owns a field.
    public var isConflict: Bool { httpStatus == 409 && reason != "AlreadyExists" }
    /// Whether an object of that name exists already.
    public var isAlreadyExists: Bool { httpStatus == 409 && reason == "AlreadyExists" }
    /// Whether the resource version or the continue token is too old.
    public var isExpired: Bool { httpStatus == 410 || reason == "Expired" || reason == "Gone" }
    /// Whether the user may not do this.
    public var isForbidden: Bool { httpStatus == 403 }
    /// Whether the server doesn't know the user.
    public var isUnauthorized: Bool { httpStatus == 401 }
    /// Whether the object breaks a rule of its schema.
    public var isInvalid: Bool { httpStatus == 422 }
    /// Whether an applied object has a field that its kind doesn't know, or a value of another type. Kubernetes answers that with 500, as if it
    /// had failed itself; it fails again until the object is changed.
    public var isMistyped: Bool { httpStatus == 500 && message.hasPrefix("failed to create typed patch object") }
    /// Whether the server failed while it worked on the request: an admission webhook doesn't answer, its storage is away. The request may be
    /// right, and may pass later.
    public var isServerFailure: Bool { (httpStatus == 500 || httpStatus == 504) && !isMistyped }
    /// Whether the server refused because it has too much to do; nothing was done, and it wants the request later.
    public var isPushBack: Bool { httpStatus == 429 || (httpStatus == 503 && status?.retryAfterSeconds != nil) }
    /// Whether the task was cancelled.
    public var isCancelled: Bool { code == .cancelled }

    /// One line: `cannot apply deployments.apps shop/churn: …`.
    public var description: String {
        let object = [resource, key?.description ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
        let lines = message.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }
        var text = lines.count > 1 ? lines.joined(separator: " ") : message
        if isUnauthorized {
            text += " (the server doesn't know who asks: the token or client certificate is wrong or has expired)"
        }
        return object.isEmpty ? "cannot \(verb): \(text)" : "cannot \(verb) \(object): \(text)"
    }
}
