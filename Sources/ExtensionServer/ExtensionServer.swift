// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
public import HTTPTypes
public import KubeAPI
public import KubeModel
import KubeRuntime
public import Logging
public import ServiceLifecycle
import Synchronization
import TransportSecurity

/// An extension API server: answers for an API group on behalf of the API server, which hands requests on to it.
///
/// It lets in whom the API server vouches for: front proxies with a certificate, and bearer tokens; and asks the API
/// server what each may do. Health paths are open to everyone. `run()` keeps the settings of front proxies up to date.
public final class ExtensionServer: HTTPExchange, Service {
    /// Paths that everyone may ask: they say that the process answers.
    public static let healthPaths: Set<Substring> = ["/healthz", "/livez", "/readyz"]

    private let base: any HTTPExchange
    private let reader: SettingsReader
    private let authentication: DelegatedAuthentication
    private let authorization: DelegatedAuthorization
    private let isPeer: @Sendable ([String]) -> Bool
    private let isReady: @Sendable () -> Bool

    /// A server that lets requests for `base` in.
    /// - Parameters:
    ///   - client: the API server that is asked.
    ///   - isPeer: whether a client's certificates show another process of this server; such a one may ask for everything.
    ///   - isReady: what `/readyz` answers.
    public init(
        _ base: any HTTPExchange,
        client: KubeClient,
        time: any TimeSource = SystemTime(),
        logger: Logger = Logger(label: "modelfleet.extension"),
        isPeer: @escaping @Sendable ([String]) -> Bool = { _ in false },
        isReady: @escaping @Sendable () -> Bool = { true }
    ) {
        self.base = base
        reader = SettingsReader(client: client, time: time, logger: logger)
        authentication = DelegatedAuthentication(client: client, reader: reader, time: time)
        authorization = DelegatedAuthorization(client: client, time: time)
        self.isPeer = isPeer
        self.isReady = isReady
    }

    /// Answers a request that is let in with `base`, any other with a `Status`.
    public func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        if Self.healthPaths.contains(request.path) {
            return request.path != "/readyz" || isReady()
                ? HTTPResponseMessage(status: .ok, text: "ok")
                : HTTPResponseMessage(status: .serviceUnavailable, text: "not ready")
        }
        var request = request
        do throws(APIStatus) {
            if !request.clientCertificates.isEmpty, isPeer(request.clientCertificates) {
                return try await answer(request)
            }
            request.head.headerFields[Self.peerMark] = nil
            let user = try await authentication.user(of: request)
            try await authorization.check(user, RequestAttributes(request))
            return try await answer(request)
        } catch {
            return Self.response(error)
        }
    }

    /// The header that a request from another process of this server has: it is not to be handed on again. It says which
    /// process is meant. From others it is taken off.
    public static let peerMark: HTTPField.Name = {
        guard let name = HTTPField.Name("X-Modelfleet-Peer") else { preconditionFailure("a valid field name") }
        return name
    }()

    /// A failure as the API server writes one.
    public static func response(_ status: APIStatus) -> HTTPResponseMessage {
        var response = HTTPResponseMessage(
            status: HTTPResponse.Status(code: status.code),
            contentType: "application/json",
            bytes: status.json.encoded()
        )
        response.head.headerFields[.retryAfter] = status.retryAfterSeconds.map(String.init)
        return response
    }

    /// Keeps the settings up to date until cancelled or shut down.
    public func run() async throws {
        do { try await cancelOnShutdown { [reader] in try await reader.run() } } catch is CancellationError {}
    }

    private func answer(_ request: HTTPRequestMessage) async throws(APIStatus) -> HTTPResponseMessage {
        do { return try await base.exchange(request) } catch {
            throw APIStatus(code: 500, reason: "InternalError", message: "the request failed: \(error)")
        }
    }
}
