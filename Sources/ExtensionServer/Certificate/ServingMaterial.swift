// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
public import HTTPMessages
import KubeModel
import TransportSecurity

/// What a server serves with, and by which authorities it is known; all PEM text.
public struct ServingMaterial: Sendable, Hashable {
    /// The certificate, and its chain after it.
    public var certificate: String
    /// Its private key.
    public var privateKey: String
    /// The authorities that vouch for it; `nil` where that is somebody else's to tell.
    public var authorities: String?

    /// Material.
    public init(certificate: String, privateKey: String, authorities: String?) {
        self.certificate = certificate
        self.privateKey = privateKey
        self.authorities = authorities
    }

    /// As settings of a server.
    public var settings: TLSSettings {
        TLSSettings(authorities: authorities, certificate: certificate, privateKey: privateKey)
    }

    /// As settings of a client of the server's other processes: it shows the certificate that all of them have. Where no
    /// authorities were told, what is in that certificate's chain is trusted, since the system's don't vouch for it.
    public func peerSettings(serverName: String) -> TLSSettings {
        var settings = settings
        settings.authorities = authorities ?? certificate
        settings.serverName = serverName
        return settings
    }

    /// The certificates that a server made for itself last for so long.
    static let validity = Duration.seconds(365 * 86_400)
    /// One that ends within so long is replaced.
    static let renewal = Duration.seconds(30 * 86_400)
    /// Which hosts a Secret's certificate was made for.
    static let hostsAnnotation = "modelfleet.dev/hosts"

    /// Reads a Secret of type `kubernetes.io/tls` with `ca.crt`; `nil` where a part is missing.
    init?(secret: KubeObject) {
        func text(_ name: String) -> String? {
            secret["data", name]?.string.flatMap { Data(base64Encoded: $0) }
                .flatMap { String(validating: $0, as: UTF8.self) }
        }
        guard let certificate = text("tls.crt"), let key = text("tls.key"), let authorities = text("ca.crt") else {
            return nil
        }
        self.init(certificate: certificate, privateKey: key, authorities: authorities)
    }

    /// Fresh material with an authority of its own. `previous` are the authorities that clients may still know: the newest
    /// of them stays trusted, so that servers can change over one by one.
    init(
        hosts: [String],
        previous: String?,
        now: WallTime,
        random: any RandomSource
    ) throws(SecurityError) {
        let bundle = try CertificateBundle.make(hosts: hosts, now: now, validity: Self.validity, random: random)
        let older = try previous.map { text throws(SecurityError) in try CertificateFacts.parts(of: text) }?.first
        self.init(
            certificate: bundle.certificate,
            privateKey: bundle.privateKey,
            authorities: bundle.authority + (older ?? "")
        )
    }

    /// Whether it can be served with at `now`, and for a good while.
    func isGood(now: WallTime) -> Bool {
        guard let end = try? CertificateFacts.end(of: certificate) else { return false }
        return end - now > Self.renewal && isUsable
    }

    /// Whether certificate and key belong together.
    var isUsable: Bool {
        (try? ServerTLSContext(certificatePEM: certificate, privateKeyPEM: privateKey)) != nil
    }

    /// The Secret, on the version of `old` where there is one.
    func secret(_ key: ObjectKey, hosts: [String], replacing old: KubeObject?) -> KubeObject {
        var secret = old ?? KubeObject(.secrets, namespace: key.namespace, name: key.name)
        secret["type"] = "kubernetes.io/tls"
        secret.setAnnotation(Self.hostsAnnotation, to: hosts.joined(separator: ","))
        if old == nil { secret.labels = ["app.kubernetes.io/part-of": "modelfleet"] }
        for (name, text) in [("tls.crt", certificate), ("tls.key", privateKey), ("ca.crt", authorities ?? "")] {
            secret["data", name] = .string(Data(text.utf8).base64EncodedString())
        }
        return secret
    }
}
