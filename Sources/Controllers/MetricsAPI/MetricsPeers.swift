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
        /// By shard; the one Lease of a leader counts as the only shard.
        var holders: [Int: Holder]
        var time: WallTime
    }

    private let client: KubeClient
    private let namespace: String
    private let lease: String
    private let shards: Int
    private let membership: Membership
    private let time: any TimeSource
    private let transport: Transport
    private let known = Mutex<Known?>(nil)

    /// The processes that share the Lease `lease`, or the Leases of its shards where there are more than one.
    /// - Parameter membership: what this process is to them.
    init(
        client: KubeClient,
        namespace: String,
        lease: String,
        shards: Int,
        membership: Membership,
        time: any TimeSource,
        transport: @escaping Transport
    ) {
        var client = client
        client.timeout = min(client.timeout, Self.timeout)
        client.callTimeout = min(client.callTimeout, Self.timeout)
        self.client = client
        self.namespace = namespace
        self.lease = lease
        self.shards = shards
        self.membership = membership
        self.time = time
        self.transport = transport
    }

    /// The items that the other processes have for `request`.
    ///
    /// Where it is about one model or pod, whoever has a value has the answer, whether others can be asked or not. Otherwise
    /// all must answer, since what is left out of a sum counts as nothing.
    /// - Throws: 503 with which one can't be asked, or which shard nobody holds; what one refuses because a value is missing.
    func items(_ request: HTTPRequestMessage, isAboutOne: Bool) async throws(APIStatus) -> [JSONValue] {
        let holders = try await holders()
        let own = membership.identity
        if shards == 1, holders.isEmpty { throw Self.unavailable("no process of the operator leads at the moment") }
        if shards > 1, !isAboutOne, let shard = (0..<shards).first(where: { !isHeld($0, by: holders[$0], own: own) }) {
            throw Self.unavailable(
                "no process of the operator holds shard \(shard) at the moment, which may have a part of it"
            )
        }
        var head = HTTPRequest(method: .get, scheme: "https", authority: nil, path: request.head.path)
        head.headerFields[.accept] = "application/json"
        let others = Set(holders.values.filter { $0.name != own })
        let answer = await withTaskGroup(of: Result<[JSONValue], APIStatus>.self) { group in
            for holder in others {
                group.addTask { [self, head] in
                    do throws(APIStatus) { return .success(try await ask(holder, head)) } catch {
                        return .failure(error)
                    }
                }
            }
            var items: [JSONValue] = []
            var failure: APIStatus?
            for await answer in group {
                switch answer {
                case .success(let found): items += found
                case .failure(let status): failure = failure ?? status
                }
                if isAboutOne, !items.isEmpty {
                    group.cancelAll()
                    return Result<[JSONValue], APIStatus>.success(items)
                }
            }
            return failure.map { .failure($0) } ?? .success(items)
        }
        return try answer.get()
    }

    /// Whether a shard is this process's, or another's by its Lease. One whose Lease still names this process, which lost it, is
    /// nobody's.
    private func isHeld(_ shard: Int, by holder: Holder?, own: String?) -> Bool {
        membership.holds(shard: shard) || holder.map { $0.name != own } ?? false
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
        head.headerFields[ExtensionServer.peerMark] = holder.name
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

    /// Who holds the Leases, by shard.
    private func holders() async throws(APIStatus) -> [Int: Holder] {
        let now = time.now()
        if let known = known.withLock({ $0 }), now - known.time < Self.cacheTime { return known.holders }
        do {
            var holders: [Int: Holder] = [:]
            for (shard, lease) in try await leases() {
                let record = LeaseRecord(lease)
                if !record.holder.isEmpty { holders[shard] = Holder(name: record.holder, address: record.address) }
            }
            known.withLock { $0 = Known(holders: holders, time: now) }
            return holders
        } catch {
            throw Self.unavailable("which process has the readings can't be read from the Leases: \(error.message)")
        }
    }

    private func leases() async throws(KubeError) -> [(shard: Int, lease: KubeObject)] {
        guard shards > 1 else {
            let found = try await client.find(.leases, ObjectKey(namespace: namespace, name: lease))
            return found.map { [(0, $0)] } ?? []
        }
        let options = ListOptions(labelSelector: LabelSelector(matching: [ShardElection.label: lease]))
        // Leases of shards that there were once may be left.
        let names = Dictionary(uniqueKeysWithValues: (0..<shards).map { ("\(lease)-shard-\($0)", $0) })
        return try await client.list(.leases, namespace: namespace, options: options).items.compactMap { lease in
            names[lease.name].map { ($0, lease) }
        }
    }

    /// 503.
    static func unavailable(_ why: String) -> APIStatus {
        APIStatus(code: 503, reason: "ServiceUnavailable", message: why)
    }
}
