// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ExtensionServer
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import Synchronization

/// Reaches the other processes of the operator: those that hold a Lease say in it where they answer.
///
/// With a leader one process has readings, with shards each has those of its share. Whoever is asked answers for what it
/// has and asks the others for the rest, so that the Service may lead anywhere.
final class MetricsPeers: Sendable {
    /// Carries a request to another process; its authority is the address from the Lease.
    typealias Transport = @Sendable (HTTPRequestMessage) async throws -> HTTPResponseMessage

    /// How long what the Leases say counts.
    static let cacheTime = Duration.seconds(2)
    /// The longest wait for another process: an HPA's sync takes all its metrics one after the other.
    static let timeout = Duration.seconds(5)
    /// The largest answer in bytes.
    static let largestAnswer = 16 << 20

    private struct Holder: Sendable, Hashable {
        var name: String
        var address: String
    }

    private struct Known: Sendable {
        var holders: [Holder]
        var time: WallTime
    }

    private let client: KubeClient
    private let namespace: String
    private let lease: String
    private let isSharded: Bool
    private let ownAddress: String
    private let time: any TimeSource
    private let transport: Transport
    private let known = Mutex<Known?>(nil)

    /// The processes that share the Lease `lease`, or the Leases of its shards.
    init(
        client: KubeClient,
        namespace: String,
        lease: String,
        isSharded: Bool,
        ownAddress: String,
        time: any TimeSource,
        transport: @escaping Transport
    ) {
        var client = client
        client.timeout = min(client.timeout, Self.timeout)
        client.callTimeout = min(client.callTimeout, Self.timeout)
        self.client = client
        self.namespace = namespace
        self.lease = lease
        self.isSharded = isSharded
        self.ownAddress = ownAddress
        self.time = time
        self.transport = transport
    }

    /// The items that the other processes have for `request`.
    /// - Throws: 503 with which one can't be asked; what one refuses because a value is missing.
    func items(_ request: HTTPRequestMessage) async throws(APIStatus) -> [JSONValue] {
        let holders = try await holders()
        if holders.isEmpty, !isSharded { throw Self.unavailable("no process of the operator leads at the moment") }
        var head = HTTPRequest(method: .get, scheme: "https", authority: nil, path: request.head.path)
        head.headerFields[ExtensionServer.peerMark] = "1"
        head.headerFields[.accept] = "application/json"
        let answers = await withTaskGroup(of: Result<[JSONValue], APIStatus>.self) { group in
            for holder in holders where holder.address != ownAddress {
                group.addTask { [self, head] in
                    do throws(APIStatus) { return .success(try await ask(holder, head)) } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        var items: [JSONValue] = []
        for answer in answers { items += try answer.get() }
        return items
    }

    private func ask(_ holder: Holder, _ head: HTTPRequest) async throws(APIStatus) -> [JSONValue] {
        guard !holder.address.isEmpty else {
            throw Self.unavailable(
                "\(holder.name) has the readings, and its Lease doesn't say where it serves them; start it with "
                    + "--metrics-api-port"
            )
        }
        var head = head
        head.authority = holder.address
        let json: JSONValue
        do {
            let response = try await transport(HTTPRequestMessage(head: head, timeout: Self.timeout))
            json = try JSONValue(parsing: try await response.body.collect(upTo: Self.largestAnswer))
        } catch {
            throw Self.unavailable("\(holder.name) at \(holder.address) has the readings and can't be asked: \(error)")
        }
        if let status = APIStatus(json) { throw status }
        return json["items"]?.array ?? []
    }

    /// Who holds the Leases.
    private func holders() async throws(APIStatus) -> [Holder] {
        let now = time.now()
        if let known = known.withLock({ $0 }), now - known.time < Self.cacheTime { return known.holders }
        do {
            let leases: [KubeObject]
            if isSharded {
                let selector = LabelSelector(matching: [ShardElection.label: lease])
                let options = ListOptions(labelSelector: selector)
                leases = try await client.list(.leases, namespace: namespace, options: options).items.filter {
                    $0.name.hasPrefix("\(lease)-shard-")
                }
            } else {
                leases = [try await client.find(.leases, ObjectKey(namespace: namespace, name: lease))].compactMap(
                    \.self
                )
            }
            let found = leases.map(LeaseRecord.init).filter { !$0.holder.isEmpty }
            let holders = Set(found.map { Holder(name: $0.holder, address: $0.address) }).sorted { $0.name < $1.name }
            known.withLock { $0 = Known(holders: holders, time: now) }
            return holders
        } catch {
            throw Self.unavailable("which process has the readings can't be read from the Leases: \(error.message)")
        }
    }

    private static func unavailable(_ why: String) -> APIStatus {
        APIStatus(code: 503, reason: "ServiceUnavailable", message: why)
    }
}
