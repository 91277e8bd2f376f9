// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
import Foundation
public import KubeAPI
public import KubeModel
import KubeRuntime
public import Logging
public import ServiceLifecycle
import Synchronization
import TransportSecurity

/// Keeps the certificate of an extension API server, and tells its APIServices whom to trust.
///
/// The certificate comes from files, which are read again when they change, or is made here and kept in a Secret that all
/// processes of the server share. Made ones are replaced a month before they end; the authority before stays trusted.
public final class ServingCertificate: Service {
    /// Where a certificate comes from.
    public enum Source: Sendable, Hashable {
        /// PEM files; without `authorities` somebody else fills the APIServices' `caBundle`.
        case files(certificate: String, privateKey: String, authorities: String?)
        /// A Secret that is made where it is missing.
        case secret(ObjectKey)
    }

    /// The time between two looks.
    static let interval = Duration.seconds(60)
    /// The wait after a failure.
    static let pause = Duration.seconds(5)
    /// The wait while an APIService isn't there.
    static let waitForAPIServices = Duration.seconds(10)

    private struct State {
        var material: ServingMaterial?
        /// The certificate before, which other processes may still have.
        var previous: String?
        /// Whether an APIService wasn't there at the last look.
        var misses = false
    }

    private let client: KubeClient
    private let source: Source
    private let service: ObjectKey
    private let apiServices: [String]
    private let time: any TimeSource
    private let random: any RandomSource
    private let logger: Logger
    private let onChange: @Sendable (ServingMaterial) -> Void
    private let state = Mutex(State())

    /// A certificate that isn't there yet.
    /// - Parameters:
    ///   - service: the Service that the APIServices name; the certificate is for its host names.
    ///   - apiServices: the names of the APIServices; only those that name that Service are touched.
    ///   - onChange: called with each new certificate, from the first on.
    public init(
        client: KubeClient,
        source: Source,
        service: ObjectKey,
        apiServices: [String],
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        logger: Logger = Logger(label: "modelfleet.certificate"),
        onChange: @escaping @Sendable (ServingMaterial) -> Void = { _ in }
    ) {
        self.client = client
        self.source = source
        self.service = service
        self.apiServices = apiServices
        self.time = time
        self.random = random
        self.logger = logger
        self.onChange = onChange
    }

    /// The host names of the Service.
    var hosts: [String] {
        let name = "\(service.name).\(service.namespace ?? "default")"
        return ["\(name).svc", name, "\(name).svc.cluster.local"]
    }

    /// The certificate; `nil` before the first.
    public var material: ServingMaterial? { state.withLock { $0.material } }

    /// Whether certificates that a client showed are this server's own, so that the client is another process of it: nobody
    /// else has the private key.
    public func isOwn(_ shown: [String]) -> Bool {
        let (material, previous) = state.withLock { ($0.material, $0.previous) }
        guard let leaf = shown.first, let first = try? CertificateFacts.parts(of: leaf).first else { return false }
        return [material?.certificate, previous].compactMap(\.self).contains { text in
            (try? CertificateFacts.parts(of: text).first) == first
        }
    }

    /// Looks again and again, until cancelled or shut down.
    public func run() async throws {
        do {
            try await cancelOnShutdown { [self] in
                while true {
                    let isDone = await look()
                    let rest = state.withLock { $0.misses } ? Self.waitForAPIServices : Self.interval
                    try await time.sleep(for: isDone ? rest : Self.pause)
                }
            }
        } catch is CancellationError {}
    }

    /// Looks once: the certificate, then the APIServices. Answers whether all is as it should be.
    func look() async -> Bool {
        do {
            let found = try await find()
            take(found)
        } catch {
            logger.warning("there is no usable certificate", metadata: ["error": "\(error)"])
            return false
        }
        return await inform()
    }

    private func take(_ found: ServingMaterial) {
        let isNew = state.withLock { state in
            guard state.material != found else { return false }
            if state.material?.certificate != found.certificate { state.previous = state.material?.certificate }
            state.material = found
            return true
        }
        if isNew { onChange(found) }
    }

    private func find() async throws -> ServingMaterial {
        switch source {
        case .files(let certificate, let key, let authorities):
            let material = ServingMaterial(
                certificate: try Self.text(certificate),
                privateKey: try Self.text(key),
                authorities: try authorities.map(Self.text)
            )
            _ = try ServerTLSContext(certificatePEM: material.certificate, privateKeyPEM: material.privateKey)
            return material
        case .secret(let key): return try await kept(key)
        }
    }

    /// What the Secret holds, or fresh material once it holds that. Another process may be quicker: its material counts.
    private func kept(_ key: ObjectKey) async throws -> ServingMaterial {
        for _ in 0..<5 {
            let now = time.now()
            let old = try await client.find(.secrets, key)
            let known = old.flatMap(ServingMaterial.init(secret:))
            let hostsOfOld = old?.annotation(ServingMaterial.hostsAnnotation)
            // An empty one was put there to be filled.
            if let old, hostsOfOld == nil, Self.hasContent(old) {
                throw ExtensionServerError(
                    "the Secret \(key) was not made here, and is not overwritten: name another Secret, delete this one, or use its files"
                )
            }
            let isOurs = hostsOfOld == hosts.joined(separator: ",")
            if let known, isOurs, known.isGood(now: now) { return known }
            let made = try ServingMaterial(hosts: hosts, previous: known?.authorities, now: now, random: random)
            let secret = made.secret(key, hosts: hosts, replacing: old)
            do throws(KubeError) {
                if old == nil {
                    try await client.create(.secrets, secret)
                } else {
                    try await client.replace(.secrets, secret)
                }
                logger.info("made a certificate", metadata: ["secret": "\(key)"])
                return made
            } catch {
                guard error.disposition == .redoRead || error.status?.reason == "AlreadyExists" else { throw error }
            }
        }
        throw ExtensionServerError("the Secret \(key) changes all the time")
    }

    private static func hasContent(_ secret: KubeObject) -> Bool {
        secret["data"]?.object?.contains { $0.value.string?.isEmpty == false } ?? false
    }

    /// Puts the authorities into the APIServices that name our Service. One that names another is somebody else's.
    ///
    /// Happens with each look; whoever makes the APIServices need not wait for that. Answers whether all went well.
    @discardableResult
    public func inform() async -> Bool {
        guard let authorities = material?.authorities else { return true }
        let bundle = JSONValue.string(Data(authorities.utf8).base64EncodedString())
        var isDone = true
        var misses = false
        defer { state.withLock { $0.misses = misses } }
        for name in apiServices {
            do {
                if try await !inform(ObjectKey(namespace: nil, name: name), bundle) { misses = true }
            } catch {
                isDone = false
                logger.warning(
                    "an APIService can't be told whom to trust",
                    metadata: ["api-service": "\(name)", "error": "\(error)"]
                )
            }
        }
        return isDone
    }

    /// Puts `bundle` into one APIService, unless it has it or isn't ours. Answers whether there is such an APIService.
    ///
    /// What was read is what is changed: one that came to name another Service meanwhile is left alone, and one that somebody else
    /// informed meanwhile isn't informed twice.
    private func inform(_ key: ObjectKey, _ bundle: JSONValue) async throws -> Bool {
        for _ in 0..<5 {
            guard let found = try await client.find(.apiServices, key) else { return false }
            let target = found["spec", "service"]
            guard target?["name"]?.string == service.name, target?["namespace"]?.string == service.namespace else {
                logger.debug("an APIService names another Service", metadata: ["api-service": "\(key.name)"])
                return true
            }
            guard found["spec", "caBundle"] != bundle, found["spec", "insecureSkipTLSVerify"] != true else {
                return true
            }
            do throws(KubeError) {
                var patch: JSONValue = ["spec": ["caBundle": bundle]]
                if let version = found.resourceVersion { patch["metadata"] = ["resourceVersion": .string(version)] }
                try await client.patch(.apiServices, key, .merge(patch))
                logger.info("told an APIService whom to trust", metadata: ["api-service": "\(key.name)"])
                return true
            } catch {
                guard error.disposition == .redoRead else { throw error }
            }
        }
        throw ExtensionServerError("it changes all the time")
    }

    private static func text(_ path: String) throws(ExtensionServerError) -> String {
        do throws(SystemError) { return String(decoding: try WholeFile.read(path), as: UTF8.self) } catch {
            throw ExtensionServerError("\(path) can't be read: \(error)")
        }
    }
}

/// Why an extension API server can't do something, in one line.
public struct ExtensionServerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The line.
    public var message: String

    /// An error with this message.
    public init(_ message: String) { self.message = message }

    /// The message.
    public var description: String { message }
}
