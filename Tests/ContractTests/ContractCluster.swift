// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import FleetAPI
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Testing

/// The cluster that the contract is checked against: the local one, or with `MODELFLEET_TEST_KUBECONFIG` any other.
///
/// Everything is written into namespaces made for it, `modelfleet-contract-…`, which are deleted afterwards.
enum ContractCluster {
    /// The machine's time: a real cluster has no other.
    static let time = SystemTime()

    private static let random = SystemRandom()

    private static var externalKubeconfig: String? {
        ProcessInfo.processInfo.environment["MODELFLEET_TEST_KUBECONFIG"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Whether the local cluster is the one that is checked.
    static var isEmbedded: Bool { externalKubeconfig == nil }

    /// A client; the local cluster is started by the first call and ends with the process.
    static func client() async throws -> KubeClient {
        if let externalKubeconfig { return try ExternalCluster.client(kubeconfig: externalKubeconfig) }
        return try await EmbeddedCluster.client()
    }

    /// A name that no other run uses.
    static func freshName() -> String { "modelfleet-contract-" + random.nameSuffix(length: 8) }

    /// Runs `body` in a fresh namespace.
    static func withNamespace(_ body: (KubeClient, String) async throws -> Void) async throws {
        let client = try await client()
        let name = freshName()
        try await client.create(.namespaces, KubeObject(.namespaces, namespace: nil, name: name))
        var problem: (any Error)?
        do { try await body(client, name) } catch { problem = error }
        try await client.delete(.namespaces, ObjectKey(namespace: nil, name: name))
        if let problem { throw problem }
    }

    /// Runs `body` in a fresh namespace of a cluster that knows widgets.
    static func withWidgets(_ body: (KubeClient, String) async throws -> Void) async throws {
        try await establish([ContractObjects.widgetDefinition])
        try await withNamespace(body)
    }

    /// Runs `body` in a fresh namespace of a cluster that knows our own kinds.
    static func withFleetDefinitions(_ body: (KubeClient, String) async throws -> Void) async throws {
        try await establish(FleetAPI.customResourceDefinitions)
        try await withNamespace(body)
    }

    private static func establish(_ definitions: [KubeObject]) async throws {
        let client = try await client()
        for definition in definitions {
            try await client.apply(.customResourceDefinitions, definition, force: true)
            while true {
                let live = try await client.get(.customResourceDefinitions, definition.key)
                let conditions = live["status", "conditions"]?.array ?? []
                if conditions.contains(where: { $0["type"] == "Established" && $0["status"] == "True" }) { break }
                try await time.sleep(for: .milliseconds(50))
            }
            try await waitUntilServed(definition, client)
        }
    }

    /// Established is said a moment before the handlers of every replica serve.
    private static func waitUntilServed(_ definition: KubeObject, _ client: KubeClient) async throws {
        guard let group = definition["spec", "group"]?.string,
            let version = definition["spec", "versions"]?[0]?["name"]?.string,
            let plural = definition["spec", "names", "plural"]?.string
        else { return }
        for _ in 0..<100 {
            if (try? await client.raw(.get, "/apis/\(group)/\(version)/\(plural)")) != nil { return }
            try await time.sleep(for: .milliseconds(50))
        }
    }

    /// The table that `kubectl get` would print.
    static func table(of type: ResourceType, in namespace: String) async throws -> JSONValue {
        let client = try await client()
        var request = HTTPRequest(method: .get, scheme: nil, authority: nil, path: type.path(namespace: namespace))
        let parts = client.baseURL.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: true)
        request.scheme = parts.first.map { String($0.dropLast()) }
        request.authority = parts.dropFirst().first.map(String.init)
        request.headerFields[.accept] = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        let response = try await client.exchange.exchange(HTTPRequestMessage(head: request))
        return try JSONValue(parsing: try await response.body.collect(upTo: 1 << 20))
    }
}

/// The `KubeError` that `body` throws; `nil` when it throws none.
func failure(_ body: () async throws -> some Any) async -> KubeError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? KubeError
    }
}

extension KubeClient {
    /// Follows a list until it fulfils `condition`; the suite's time limit bounds the wait.
    func eventually(
        _ type: ResourceType,
        in namespace: String,
        _ condition: ([KubeObject]) -> Bool
    ) async throws -> [KubeObject] {
        while true {
            let list = try await list(type, namespace: namespace)
            if condition(list.items) { return list.items }
            let watch = try await watch(
                type,
                namespace: namespace,
                options: WatchOptions(resourceVersion: list.resourceVersion, timeout: .seconds(2))
            )
            for try await _ in watch { break }
        }
    }
}
