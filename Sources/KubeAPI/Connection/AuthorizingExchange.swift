// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
internal import HTTPTypes
internal import KubeModel
internal import Synchronization

/// An exchange that needs something before it can send, of which the server knows nothing: a credential. A request's time doesn't begin
/// before it is there.
public protocol PreparedExchange: HTTPExchange {
    /// Waits until it is there.
    func prepare() async throws
}

/// Adds the user's credentials to every request.
///
/// A token file is looked at again at most every ten seconds and read again when it changed; while it is missing or empty, the token that
/// it had holds. A plugin runs again when its credential expired, and once when the server answers 401.
public final class AuthorizingExchange: PreparedExchange {
    private struct State {
        var token: String?
        var stamp: String?
        var checked: WallTime?
        var credential: ExecCredential?
        var refresh: [CheckedContinuation<Void, Never>]?
    }

    private let base: any HTTPExchange
    private let credentials: Credentials
    private let impersonation: Impersonation?
    private let system: HostSystem
    private let time: any TimeSource
    private let makeExchange: (@Sendable (_ certificate: String, _ privateKey: String) -> any HTTPExchange)?
    private let state = Mutex(State())
    private let certified = Mutex<(certificate: String, exchange: any HTTPExchange)?>(nil)
    /// How long a token file isn't looked at again.
    public static let fileInterval: Duration = .seconds(10)

    /// Wraps `base`. Where a plugin may answer with a client certificate, `certifiedExchange` makes the exchange that
    /// speaks TLS with it; without one such an answer is an error.
    public init(
        _ base: any HTTPExchange,
        credentials: Credentials,
        impersonation: Impersonation? = nil,
        system: HostSystem = .real,
        time: any TimeSource = SystemTime(),
        certifiedExchange: (@Sendable (_ certificate: String, _ privateKey: String) -> any HTTPExchange)? = nil
    ) {
        self.base = base
        self.credentials = credentials
        self.impersonation = impersonation
        self.system = system
        self.time = time
        makeExchange = certifiedExchange
    }

    /// Runs the plugin where its credential is needed; it may take longer than a request.
    /// - Throws: `ConfigurationError`
    public func prepare() async throws {
        if case .exec(let plugin) = credentials { _ = try await credential(plugin, rejecting: nil) }
    }

    /// Sends `request` with credentials.
    public func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        let request = impersonation.map { Self.acting(as: $0, request) } ?? request
        switch credentials {
        case .anonymous: return try await base.exchange(request)
        case .token(let token): return try await base.exchange(Self.bearer(token, request))
        case .basic(let username, let password):
            return try await base.exchange(
                Self.with("Basic \(Base64.encode(Array("\(username):\(password)".utf8)))", request)
            )
        case .tokenFile(let path): return try await base.exchange(Self.bearer(try token(file: path), request))
        case .exec(let plugin): return try await exchange(request, plugin)
        }
    }

    /// The header fields by which the API server takes a request for another user's.
    private static func acting(as other: Impersonation, _ request: HTTPRequestMessage) -> HTTPRequestMessage {
        var request = request
        func add(_ name: String, _ value: String) {
            guard let name = HTTPField.Name(name) else { return }
            request.head.headerFields.append(HTTPField(name: name, value: value))
        }
        add("Impersonate-User", other.user)
        if let uid = other.uid { add("Impersonate-Uid", uid) }
        for group in other.groups { add("Impersonate-Group", group) }
        for (key, values) in other.extra.sorted(by: { $0.key < $1.key }) {
            for value in values { add("Impersonate-Extra-\(PercentEncoding.component(key))", value) }
        }
        return request
    }

    private static func bearer(_ token: String, _ request: HTTPRequestMessage) -> HTTPRequestMessage {
        with("Bearer \(token)", request)
    }

    private static func with(_ authorization: String, _ request: HTTPRequestMessage) -> HTTPRequestMessage {
        var request = request
        request.head.headerFields[.authorization] = authorization
        return request
    }

    private func token(file path: String) throws -> String {
        let now = time.now()
        let known = state.withLock { state -> String? in
            guard let token = state.token, let checked = state.checked else { return nil }
            return now - checked < Self.fileInterval ? token : nil
        }
        if let known { return known }
        let stamp = system.fileStamp(path)
        let unchanged = state.withLock { state -> String? in
            guard let token = state.token, let stamp, stamp == state.stamp else { return nil }
            state.checked = now
            return token
        }
        if let unchanged { return unchanged }
        do {
            let token = try readToken(path)
            state.withLock { state in
                state.token = token
                state.stamp = stamp
                state.checked = now
            }
            return token
        } catch {
            // Whoever writes it may be about to; the server says when the token doesn't hold any more.
            let kept = state.withLock { state in
                if state.token != nil { state.checked = now }
                return state.token
            }
            guard let kept else { throw error }
            return kept
        }
    }

    private func readToken(_ path: String) throws -> String {
        guard let bytes = try system.readFile(path) else {
            throw ConfigurationError("the token file \(path) doesn't exist; check the credentials in the kubeconfig")
        }
        let token = String(decoding: bytes, as: UTF8.self).trimmingWhitespace
        guard !token.isEmpty else {
            throw ConfigurationError("the token file \(path) is empty; check who writes it")
        }
        return token
    }

    private func exchange(_ request: HTTPRequestMessage, _ plugin: ExecPlugin) async throws -> HTTPResponseMessage {
        let credential = try await credential(plugin, rejecting: nil)
        let response = try await send(request, credential)
        // Once: the server may have dropped the credential before its time. A body that streams can't be sent again.
        guard response.head.status.code == 401, request.body.wholeBytes != nil else { return response }
        let renewed = try await self.credential(plugin, rejecting: credential)
        return renewed == credential ? response : try await send(request, renewed)
    }

    private func send(
        _ request: HTTPRequestMessage,
        _ credential: ExecCredential
    ) async throws -> HTTPResponseMessage {
        let request = credential.token.map { Self.bearer($0, request) } ?? request
        guard let certificate = credential.certificate, let key = credential.privateKey else {
            return try await base.exchange(request)
        }
        guard let makeExchange else {
            throw ConfigurationError(
                "the credential plugin answered with a client certificate, which isn't supported here"
            )
        }
        let exchange = certified.withLock { present in
            if let present, present.certificate == certificate { return present.exchange }
            let exchange = makeExchange(certificate, key)
            present = (certificate, exchange)
            return exchange
        }
        return try await exchange.exchange(request)
    }

    /// The credential that is good now; runs the plugin where there is none, it expired, or it is the one to reject.
    /// One run at a time: who comes meanwhile waits for its result.
    private func credential(_ plugin: ExecPlugin, rejecting rejected: ExecCredential?) async throws -> ExecCredential {
        while true {
            let now = time.now()
            let step = state.withLock { state -> ExecCredential?? in
                if let credential = state.credential, credential != rejected, credential.isGood(at: now) {
                    return .some(credential)
                }
                if state.refresh != nil { return nil }
                state.refresh = []
                return .some(nil)
            }
            switch step {
            case .some(.some(let credential)): return credential
            case .some(.none): return try await run(plugin)
            case .none:
                await withCheckedContinuation { continuation in
                    let waits = state.withLock { state in
                        state.refresh?.append(continuation)
                        return state.refresh != nil
                    }
                    if !waits { continuation.resume() }
                }
                try Task.checkCancellation()
            }
        }
    }

    private func run(_ plugin: ExecPlugin) async throws -> ExecCredential {
        var renewed: ExecCredential?
        defer {
            let waiters = state.withLock { state in
                if let renewed { state.credential = renewed }
                defer { state.refresh = nil }
                return state.refresh ?? []
            }
            for waiter in waiters { waiter.resume() }
        }
        let credential = try await plugin.run(on: system, time: time)
        renewed = credential
        return credential
    }
}
