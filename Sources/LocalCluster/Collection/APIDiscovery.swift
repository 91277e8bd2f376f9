// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeAPI
import KubeModel

/// Asks the API server which resources it has.
struct APIDiscovery {
    /// The API.
    let client: KubeClient

    /// What was found.
    struct Findings {
        /// Every type that can be listed, watched and deleted, without events.
        var types: [ResourceType] = []
        /// The groups whose server is away: nobody knows what they have.
        var absentGroups: Set<String> = []
    }

    /// Every type that can be listed, watched and deleted, without events.
    /// - Throws: `KubeError`, also when the server of one group is away.
    func types() async throws -> [ResourceType] { try await findings(skipsAbsent: false).types }

    /// Every such type, and the groups that can't be asked.
    /// - Parameter skipsAbsent: whether groups whose server is away are left out, instead of failing all.
    func findings(skipsAbsent: Bool = true) async throws -> Findings {
        var groupVersions: [(group: String, version: String, path: String)] = [("", "v1", "/api/v1")]
        let groups = try await client.raw(.get, "/apis")["groups"]?.array ?? []
        for group in groups {
            guard let name = group["name"]?.string, let version = group.at("preferredVersion", "version")?.string else {
                continue
            }
            groupVersions.append((name, version, "/apis/\(name)/\(version)"))
        }
        var findings = Findings()
        for entry in groupVersions where entry.group != "events.k8s.io" {
            let resources: [JSONValue]
            do throws(KubeError) {
                resources = try await client.raw(.get, entry.path)["resources"]?.array ?? []
            } catch {
                // It went since the groups were listed.
                if error.isNotFound, !entry.group.isEmpty { continue }
                guard skipsAbsent, error.status?.code == 503 else { throw error }
                findings.absentGroups.insert(entry.group)
                continue
            }
            for resource in resources {
                let verbs = Set((resource["verbs"]?.array ?? []).compactMap(\.string))
                guard let plural = resource["name"]?.string, let kind = resource["kind"]?.string,
                    !plural.contains("/"), verbs.isSuperset(of: ["list", "watch", "delete"]), plural != "events"
                else { continue }
                findings.types.append(
                    ResourceType(
                        group: entry.group,
                        version: entry.version,
                        kind: kind,
                        plural: plural,
                        isNamespaced: resource["namespaced"]?.bool ?? true
                    )
                )
            }
        }
        return findings
    }
}
