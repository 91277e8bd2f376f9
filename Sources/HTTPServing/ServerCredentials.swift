// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPMessages
import NIOCore
import Synchronization
import TransportSecurity

/// The certificate and key of a server, which may be replaced while it runs: new connections get the new ones.
public final class ServerCredentials: Sendable {
    private struct State {
        var settings: TLSSettings
        var made: ServerTLSContext?
    }

    private let state: Mutex<State>

    /// Credentials; the certificate may be followed by its chain.
    public init(_ settings: TLSSettings) { state = Mutex(State(settings: settings)) }

    /// What is in use.
    public var settings: TLSSettings { state.withLock { $0.settings } }

    /// Whether both a certificate and a key are there.
    var isComplete: Bool { state.withLock { $0.settings.certificate != nil && $0.settings.privateKey != nil } }

    /// Replaces them.
    /// - Throws: `SecurityError` when certificate and key can't be used; the old ones then stay.
    public func replace(by settings: TLSSettings) throws {
        guard settings != self.settings else { return }
        _ = try ServerTLSContext(
            certificatePEM: settings.certificate ?? "",
            privateKeyPEM: settings.privateKey ?? ""
        )
        state.withLock { $0 = State(settings: settings) }
    }

    /// What new connections use. A server asks the same way each time.
    func context(offersHTTP2: Bool, asksForClientCertificate: Bool) throws(SecurityError) -> ServerTLSContext {
        try state.withLock { state throws(SecurityError) in
            if let made = state.made { return made }
            let context = try ServerTLSContext(
                certificatePEM: state.settings.certificate ?? "",
                privateKeyPEM: state.settings.privateKey ?? "",
                offersHTTP2: offersHTTP2,
                asksForClientCertificate: asksForClientCertificate
            )
            state.made = context
            return context
        }
    }
}

/// The certificates that clients showed, by their connection.
final class PeerCertificates: Sendable {
    private let shown = Mutex<[ObjectIdentifier: [String]]>([:])

    /// A handshake is over.
    func note(_ certificates: [String], on connection: any Channel) {
        guard !certificates.isEmpty else { return }
        let identity = ObjectIdentifier(connection)
        shown.withLock { $0[identity] = certificates }
        connection.closeFuture.whenComplete { [self] _ in shown.withLock { $0[identity] = nil } }
    }

    /// What the client of a connection, or of a stream on it, showed.
    func certificates(on channel: any Channel) -> [String] {
        shown.withLock { shown in
            // An HTTP/2 stream is a channel below its connection's; a connection's own parent is the listening socket.
            shown[ObjectIdentifier(channel)] ?? channel.parent.flatMap { shown[ObjectIdentifier($0)] } ?? []
        }
    }
}
