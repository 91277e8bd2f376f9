// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The annotations that make a replica set a revision of its Deployment.
enum RevisionAnnotations {
    /// The most characters of the list of earlier numbers, as in Kubernetes.
    static let longestHistory = 2000

    /// The annotations of the replica set of the current template: the Deployment's own ones, and the newest number.
    ///
    /// A number is never lowered. A replica set that is rolled back to keeps its earlier numbers in a list, the oldest of
    /// which go when it gets too long.
    static func updated(_ set: KubeObject, of deployment: KubeObject, revision: Int64) -> [String: String] {
        var annotations = set.annotations
        for (key, value) in deployment.annotations where !DeploymentWords.kept.contains(key) {
            annotations[key] = value
        }
        let present = annotations[DeploymentWords.revision] ?? ""
        guard present.isEmpty || Int64(present) != nil, set.revisionNumber < revision else { return annotations }
        annotations[DeploymentWords.revision] = String(revision)
        if !present.isEmpty {
            annotations[DeploymentWords.history] = history(annotations[DeploymentWords.history] ?? "", adding: present)
        }
        return annotations
    }

    private static func history(_ list: String, adding number: String) -> String {
        var numbers = list.split(separator: ",").map(String.init) + [number]
        while numbers.count > 1, numbers.joined(separator: ",").utf8.count > longestHistory { numbers.removeFirst() }
        return numbers.joined(separator: ",")
    }
}
