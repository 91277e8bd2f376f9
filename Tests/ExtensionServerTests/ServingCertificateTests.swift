// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeServer
import Synchronization
import Testing
import TransportSecurity

@testable import ExtensionServer

@Suite("The certificate of an extension API server")
struct ServingCertificateTests {
    private static let secret = ObjectKey(namespace: "default", name: "tls")
    private static let service = ObjectKey(namespace: "default", name: "metrics")

    /// An API server with two APIServices, of which one names our Service.
    private struct World {
        let time = ManualTime()
        let exchange: any HTTPExchange
        let client: KubeClient

        init() async throws {
            exchange = APIServer(configuration: APIServerConfiguration(time: time, random: SeededRandom(seed: 5)))
            client = KubeClient(exchange: exchange)
            for (version, service) in [("v1", "metrics"), ("v2", "another")] {
                _ = try await client.raw(
                    .post,
                    "/apis/apiregistration.k8s.io/v1/apiservices",
                    body: [
                        "metadata": ["name": .string("\(version).m.example")],
                        "spec": [
                            "group": "m.example", "version": .string(version), "groupPriorityMinimum": 100,
                            "versionPriority": 100, "service": ["namespace": "default", "name": .string(service)],
                        ],
                    ]
                )
            }
        }

        func certificate(
            _ source: ServingCertificate.Source = .secret(secret),
            client other: KubeClient? = nil
        ) -> ServingCertificate {
            ServingCertificate(
                client: other ?? client,
                source: source,
                service: service,
                apiServices: ["v1.m.example", "v2.m.example", "v3.m.example"],
                time: time,
                random: SeededRandom(seed: 6)
            )
        }

        /// The authorities that an APIService has.
        func bundle(_ version: String) async throws -> String? {
            let found = try await client.get(.apiServices, ObjectKey(namespace: nil, name: "\(version).m.example"))
            let data = (found["spec", "caBundle"]?.string).flatMap { Data(base64Encoded: $0) }
            return data.map { String(decoding: $0, as: UTF8.self) }
        }
    }

    @Test(
        "it is made once, kept in a Secret that all processes share, and told to the APIServices of the Service alone"
    )
    func shared() async throws {
        let world = try await World()
        let (one, other) = (world.certificate(), world.certificate())
        async let first = one.look()
        async let second = other.look()
        #expect(await [first, second] == [true, true])
        #expect(await one.look())
        let material = try #require(one.material)
        #expect(other.material == material)
        #expect(try await world.bundle("v1") == material.authorities)
        #expect(try await world.bundle("v2") == nil)
        let kept = try await world.client.get(.secrets, Self.secret)
        #expect(kept["type"] == "kubernetes.io/tls")
        #expect(try CertificateFacts.end(of: material.certificate) - world.time.now() > .seconds(360 * 86_400))
        #expect(one.isOwn([material.certificate]))
        #expect(!one.isOwn([]) && !one.isOwn([material.authorities ?? ""]))
    }

    @Test("an APIService that comes to name another Service between a look and the answer to it is left alone")
    func renamed() async throws {
        let world = try await World()
        let server = world.client
        let other: JSONValue = ["spec": ["service": ["name": "another"]]]
        let isQuick = Mutex(true)
        let slow = KubeClient(
            exchange: ClosureExchange { request in
                let isPatch = request.head.method == .patch && request.path.hasSuffix("/v1.m.example")
                let isFirst = isQuick.withLock { isQuick in
                    defer { if isPatch { isQuick = false } }
                    return isPatch && isQuick
                }
                if isFirst {
                    try await server.patch(.apiServices, ObjectKey(namespace: nil, name: "v1.m.example"), .merge(other))
                }
                return try await world.exchange.exchange(request)
            }
        )
        #expect(await world.certificate(client: slow).look())
        #expect(!isQuick.withLock { $0 })
        #expect(try await world.bundle("v1") == nil)
    }

    @Test(
        "a month before its end it is replaced; the authority before stays trusted, and so does the certificate of others"
    )
    func renewed() async throws {
        let world = try await World()
        let (one, other) = (world.certificate(), world.certificate())
        #expect(await one.look())
        #expect(await other.look())
        let old = try #require(one.material)
        world.time.advance(by: .seconds(334 * 86_400))
        #expect(await one.look())
        #expect(one.material == old)
        world.time.advance(by: .seconds(2 * 86_400))
        #expect(await one.look())
        let new = try #require(one.material)
        #expect(new.certificate != old.certificate)
        let authorities = try #require(new.authorities)
        #expect(try await world.bundle("v1") == authorities)
        let parts = try CertificateFacts.parts(of: authorities)
        #expect(parts.count == 2 && parts.last == old.authorities)
        #expect(one.isOwn([old.certificate]) && one.isOwn([new.certificate]))
        #expect(await other.look())
        #expect(other.material == new)
    }

    /// A Secret whose parts are no certificate.
    private static var nonsense: KubeObject {
        var secret = KubeObject(.secrets, namespace: "default", name: "tls")
        secret["type"] = "kubernetes.io/tls"
        secret["data"] = ["tls.crt": "bm9uc2Vuc2U=", "tls.key": "bm9uc2Vuc2U=", "ca.crt": "bm9uc2Vuc2U="]
        return secret
    }

    @Test("a Secret that somebody else made is left alone")
    func foreign() async throws {
        let world = try await World()
        let theirs = try await world.client.create(.secrets, Self.nonsense)
        let certificate = world.certificate()
        #expect(await !certificate.look())
        #expect(certificate.material == nil)
        #expect(try await world.client.get(.secrets, Self.secret) == theirs)
    }

    @Test("an empty Secret is filled")
    func empty() async throws {
        let world = try await World()
        var secret = Self.nonsense
        secret["data"] = ["tls.crt": "", "tls.key": ""]
        try await world.client.create(.secrets, secret)
        #expect(await world.certificate().look())
    }

    @Test("a Secret of its own that holds nonsense, or a certificate for another Service, is replaced")
    func replaced() async throws {
        let world = try await World()
        var secret = Self.nonsense
        secret.setAnnotation("modelfleet.dev/hosts", to: "")
        try await world.client.create(.secrets, secret)
        let certificate = world.certificate()
        #expect(await certificate.look())
        let made = try #require(certificate.material)
        let patch: JSONValue = ["metadata": ["annotations": ["modelfleet.dev/hosts": "elsewhere.default.svc"]]]
        try await world.client.patch(.secrets, Self.secret, .merge(patch))
        #expect(await certificate.look())
        #expect(certificate.material != made)
    }

    @Test(
        "other processes of the server are trusted by its authorities, and without any by the certificate that all share"
    )
    func peers() {
        for (authorities, trusted) in [("ca", "ca"), (nil, "cert")] as [(String?, String)] {
            let material = ServingMaterial(certificate: "cert", privateKey: "key", authorities: authorities)
            #expect(material.settings.authorities == authorities)
            let settings = material.peerSettings(serverName: "metrics.default.svc")
            #expect(settings.authorities == trusted && settings.serverName == "metrics.default.svc")
            #expect(settings.certificate == "cert" && settings.privateKey == "key")
        }
    }

    @Test("files are read again when they change; unusable ones leave what there was")
    func files() async throws {
        let folder = NSTemporaryDirectory() + "modelfleet-certificate-" + SystemRandom().uuid()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let world = try await World()
        func bundle() throws -> CertificateBundle {
            let bundle = try CertificateBundle.make(
                hosts: ["a"],
                now: world.time.now(),
                validity: .seconds(600),
                random: SystemRandom()
            )
            for (name, text) in [("c", bundle.certificate), ("k", bundle.privateKey), ("a", bundle.authority)] {
                try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
            }
            return bundle
        }
        let source = ServingCertificate.Source.files(
            certificate: folder + "/c",
            privateKey: folder + "/k",
            authorities: folder + "/a"
        )
        let certificate = world.certificate(source)
        #expect(await !certificate.look())
        #expect(certificate.material == nil)
        var made = try bundle()
        #expect(await certificate.look())
        #expect(certificate.material?.certificate == made.certificate)
        #expect(try await world.bundle("v1") == made.authority)
        made = try bundle()
        #expect(await certificate.look())
        #expect(certificate.material?.certificate == made.certificate)
        #expect(try await world.bundle("v1") == made.authority)
        try "nonsense".write(toFile: folder + "/c", atomically: true, encoding: .utf8)
        #expect(await !certificate.look())
        #expect(certificate.material?.certificate == made.certificate)
    }
}
