// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Logging
import Synchronization
import TransportSecurity

/// Finds out who a request is from, as `k8s.io/apiserver`'s delegating authenticator does: by a front proxy's headers, by
/// the client's own certificate, by a bearer token that the API server reviews; and anonymous where nothing is shown.
///
/// What is shown and not accepted is refused; it doesn't become anonymous.
final class DelegatedAuthentication: Sendable {
    /// How long a reviewed token counts (`DelegatingAuthenticationOptions.CacheTTL`).
    static let cacheTime = Duration.seconds(10)
    /// The most tokens that are remembered.
    static let capacity = 4096

    private static let path = "/apis/authentication.k8s.io/v1/tokenreviews"

    private let reviews: Reviews
    private let reader: SettingsReader
    private let time: any TimeSource
    /// By the digest of the token: who it is, or that nobody has it.
    private let known = Mutex(ExpiringCache<String, UserInfo?>(capacity: DelegatedAuthentication.capacity))

    /// Authentication by the API server that `client` reaches and by the settings of `reader`.
    init(client: KubeClient, reader: SettingsReader, time: any TimeSource) {
        reviews = Reviews(client)
        self.reader = reader
        self.time = time
    }

    /// Who sends `request`.
    /// - Throws: 401 with the reason; 429 while too many tokens wait for their review.
    func user(of request: HTTPRequestMessage) async throws(APIStatus) -> UserInfo {
        var refusal: String?
        if !request.clientCertificates.isEmpty {
            var outcome = certified(request)
            if case .refused = outcome {
                // The authorities may have changed since the last look.
                await reader.refresh()
                outcome = certified(request)
            }
            switch outcome {
            case .user(let user): return user.authenticated
            case .refused(let reason): refusal = reason
            case .silent: break
            }
        }
        if let token = Self.token(request.head.headerFields[.authorization]) {
            if let user = try await reviewed(token) { return user.authenticated }
            refusal = "the bearer token isn't valid here"
        }
        if let refusal { throw Self.unauthorized(refusal) }
        return .anonymous
    }

    private enum Outcome {
        case user(UserInfo)
        case refused(String)
        case silent
    }

    private func certified(_ request: HTTPRequestMessage) -> Outcome {
        guard let settings = reader.settings else {
            return .refused("which certificates to trust isn't known yet; try again")
        }
        let now = time.now()
        func check(_ authorities: String) -> Result<ClientCertificate, SecurityError> {
            Result { () throws(SecurityError) in
                try ClientCertificate(verifying: request.clientCertificates, authorities: authorities, now: now)
            }
        }
        var reason = "no authority of client certificates is known"
        if !settings.proxyAuthorities.isEmpty, let user = settings.user(in: request.head.headerFields) {
            switch check(settings.proxyAuthorities) {
            case .success(let proxy):
                if settings.proxyNames.isEmpty || settings.proxyNames.contains(proxy.commonName) { return .user(user) }
                reason = "\(proxy.commonName) is no front proxy; there are \(settings.proxyNames)"
            case .failure(let error): reason = error.message
            }
        }
        if !settings.clientAuthorities.isEmpty {
            switch check(settings.clientAuthorities) {
            case .success(let client):
                return client.commonName.isEmpty
                    ? .silent : .user(UserInfo(name: client.commonName, groups: client.organizations))
            case .failure(let error): reason = error.message
            }
        }
        // A front proxy that names nobody sends its own request: it may still show a token.
        if case .success? = settings.proxyAuthorities.isEmpty ? nil : check(settings.proxyAuthorities),
            settings.user(in: request.head.headerFields) == nil
        {
            return .silent
        }
        return .refused(reason)
    }

    /// Whom the API server says a token belongs to; `nil` for nobody.
    private func reviewed(_ token: String) async throws(APIStatus) -> UserInfo? {
        let digest: String
        do { digest = try SHA256Digest.hex(of: Array(token.utf8)) } catch { throw Self.unauthorized(error.message) }
        if let user = known.withLock({ $0.value(digest, now: time.now()) }) { return user }
        let review: JSONValue = [
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": ["token": .string(token)],
        ]
        let answer: JSONValue
        do { answer = try await reviews.ask(Self.path, review) } catch {
            if error.code == 429 { throw error }
            throw Self.unauthorized("the bearer token can't be reviewed: \(error.message)")
        }
        let status = answer["status"] ?? .emptyObject
        let user = status["authenticated"] == true ? UserInfo(review: status) : nil
        known.withLock { $0.keep(user, for: digest, until: time.now() + Self.cacheTime) }
        return user
    }

    private static func token(_ header: String?) -> String? {
        let parts = (header ?? "").split(separator: " ", maxSplits: 1).map(String.init)
        guard parts.count == 2, parts[0].lowercased() == "bearer", !parts[1].isEmpty else { return nil }
        return parts[1]
    }

    private static func unauthorized(_ why: String) -> APIStatus {
        APIStatus(code: 401, reason: "Unauthorized", message: "Unauthorized: \(why)")
    }
}
