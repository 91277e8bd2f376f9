// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// The words of the Deployment controller.
enum DeploymentWords {
    /// The label that tells a Deployment's replica sets apart.
    static let hashLabel = "pod-template-hash"
    /// The annotation with the number of a revision.
    static let revision = "deployment.kubernetes.io/revision"
    /// The annotation with earlier numbers of a revision.
    static let history = "deployment.kubernetes.io/revision-history"
    /// The annotation with the Deployment's own count.
    static let desired = "deployment.kubernetes.io/desired-replicas"
    /// The annotation with the Deployment's count and surge.
    static let maximum = "deployment.kubernetes.io/max-replicas"
    /// Annotations of a Deployment that its replica sets don't get.
    static let kept: Set<String> = [
        "kubectl.kubernetes.io/last-applied-configuration", revision, history, desired, maximum,
        "deprecated.deployment.rollback.to",
    ]
}

extension KubeObject {
    /// `spec.replicas` of a workload; 1 when missing.
    var wantedReplicas: Int { max(0, self["spec", "replicas"]?.int ?? 1) }

    /// A count in the status; 0 when missing.
    func statusCount(_ member: String) -> Int { max(0, self["status", member]?.int ?? 0) }

    /// The revision that an annotation names; 0 when there is none.
    var revisionNumber: Int64 { annotations[DeploymentWords.revision].flatMap { Int64($0) } ?? 0 }

    /// The pod template without the label that the Deployment controller adds.
    var plainTemplate: JSONValue {
        var template = self["spec", "template"] ?? .emptyObject
        var labels = template.at("metadata", "labels")?.object ?? JSONObject()
        labels[DeploymentWords.hashLabel] = nil
        template.set(labels.isEmpty ? nil : .object(labels), at: "metadata", "labels")
        if template["metadata"]?.object?.isEmpty ?? false { template["metadata"] = nil }
        template.set(nil, at: "metadata", "creationTimestamp")
        return template
    }
}
