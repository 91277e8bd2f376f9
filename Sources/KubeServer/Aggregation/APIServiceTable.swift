// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel

/// One API version that another server answers for, as an APIService has it.
struct AggregatedVersion: Sendable, Hashable {
    /// The name of the APIService: `VERSION.GROUP`.
    var name: String
    /// The group.
    var group: String
    /// The version.
    var version: String
    /// Groups with a higher number come first; the highest of a group's versions counts.
    var groupPriority: Int64
    /// Versions with a higher number come first.
    var versionPriority: Int64

    /// A version as an APIService has it.
    init(name: String, group: String, version: String, groupPriority: Int64, versionPriority: Int64) {
        self.name = name
        self.group = group
        self.version = version
        self.groupPriority = groupPriority
        self.versionPriority = versionPriority
    }

    /// The version of a name `VERSION.GROUP`, after all others; `nil` for another name.
    init?(name: String) {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return nil }
        self.init(name: name, group: parts[1], version: parts[0], groupPriority: 0, versionPriority: 0)
    }
}

/// The APIServices of the store, and where their Services lead.
///
/// An APIService without a Service stands for the API server itself and changes nothing.
struct APIServiceTable {
    private let state: ServerState

    /// The APIServices as they are in `state`.
    init(_ state: ServerState) { self.state = state }

    /// The versions that other servers answer for, in the order of discovery.
    var versions: [AggregatedVersion] {
        let found = objects.compactMap(Self.version)
        let priorities = Dictionary(found.map { ($0.group, $0.groupPriority) }, uniquingKeysWith: max)
        return found.sorted { left, right in
            guard left.group == right.group else {
                let (first, second) = (priorities[left.group] ?? 0, priorities[right.group] ?? 0)
                return first == second ? left.group < right.group : first > second
            }
            if left.versionPriority != right.versionPriority { return left.versionPriority > right.versionPriority }
            return VersionOrder(left.version) < VersionOrder(right.version)
        }
    }

    /// Whether another server answers for a version of a group.
    func serves(group: String, version: String) -> Bool {
        object("\(version).\(group)").flatMap(Self.version) != nil
    }

    /// The server behind an APIService.
    /// - Throws: 503 with what is missing.
    func backend(group: String, version: String) throws(APIStatus) -> AggregatedBackend {
        let name = "\(version).\(group)"
        guard let found = object(name), let reference = found["spec", "service"],
            let namespace = reference["namespace"]?.string, let serviceName = reference["name"]?.string
        else { throw .aggregatedUnavailable(name, "it names no Service") }
        let path = "\(namespace)/\(serviceName)"
        guard let service = object(.services, ObjectKey(namespace: namespace, name: serviceName)) else {
            throw .aggregatedUnavailable(name, "service/\(serviceName) in \"\(namespace)\" is not present")
        }
        let wanted = reference["port"]?.integer ?? 443
        let ports = service["spec", "ports"]?.array ?? []
        let port = ports.first { $0["port"]?.integer == wanted }
        let isExternal = service["spec", "type"] == "ExternalName"
        guard isExternal || port != nil else {
            throw .aggregatedUnavailable(
                name,
                "service/\(serviceName) in \"\(namespace)\" is not listening on port \(wanted)"
            )
        }
        let target =
            isExternal
            ? (service["spec", "externalName"]?.string ?? "", Int(wanted))
            : endpoint(namespace, serviceName, portName: port?["name"]?.string ?? "")
        guard let (host, number) = target, !host.isEmpty else {
            throw .aggregatedUnavailable(name, "the Service \(path) has no ready endpoint for port \(wanted)")
        }
        let bundle = (found["spec", "caBundle"]?.string).flatMap { Data(base64Encoded: $0) }
        return AggregatedBackend(
            host: host,
            port: number,
            serverName: "\(serviceName).\(namespace).svc",
            authorities: bundle.map { String(decoding: $0, as: UTF8.self) }.flatMap { $0.isEmpty ? nil : $0 },
            verifiesPeer: found["spec", "insecureSkipTLSVerify"] != true
        )
    }

    private var objects: [KubeObject] {
        let type = ResourceType.apiServices
        let kind = StoredKind(group: type.group, plural: type.plural)
        return (state.store.list(kind, namespace: nil) ?? []).map(\.object)
    }

    private func object(_ name: String) -> KubeObject? { object(.apiServices, ObjectKey(namespace: nil, name: name)) }

    private func object(_ type: ResourceType, _ key: ObjectKey) -> KubeObject? {
        state.store.object(StoredKind(group: type.group, plural: type.plural), key)?.object
    }

    private static func version(_ object: KubeObject) -> AggregatedVersion? {
        guard object["spec", "service"]?.object != nil, let group = object["spec", "group"]?.string,
            let version = object["spec", "version"]?.string
        else { return nil }
        return AggregatedVersion(
            name: object.name,
            group: group,
            version: version,
            groupPriority: object["spec", "groupPriorityMinimum"]?.integer ?? 0,
            versionPriority: object["spec", "versionPriority"]?.integer ?? 0
        )
    }

    /// The first ready endpoint of a Service's slices, in the order of their names.
    private func endpoint(_ namespace: String, _ service: String, portName: String) -> (String, Int)? {
        let type = ResourceType.endpointSlices
        let slices = state.store.list(StoredKind(group: type.group, plural: type.plural), namespace: namespace) ?? []
        for slice in slices.map(\.object) where slice.labels["kubernetes.io/service-name"] == service {
            let ports = slice["ports"]?.array ?? []
            guard let port = ports.first(where: { ($0["name"]?.string ?? "") == portName })?["port"]?.integer,
                let number = Int(exactly: port), (1...65535).contains(number)
            else { continue }
            for endpoint in slice["endpoints"]?.array ?? [] where endpoint.at("conditions", "ready") != false {
                if let address = endpoint["addresses"]?.array?.first?.string { return (address, number) }
            }
        }
        return nil
    }
}

extension APIStatus {
    /// 503: the server behind an APIService can't be reached.
    static func aggregatedUnavailable(_ service: String, _ why: String) -> APIStatus {
        APIStatus(
            code: 503,
            reason: "ServiceUnavailable",
            message: "the server behind the APIService \(service) can't be reached: \(why)"
        )
    }
}
