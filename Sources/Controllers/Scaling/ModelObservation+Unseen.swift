// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension ModelObservation {
    /// The pods that the model's Deployments count and the operator hasn't seen: they may carry load that no page shows.
    ///
    /// Pods and Deployments come over different watches, of which either may be late. A Deployment that hasn't looked at its
    /// newest count yet is taken to have the pods that it asks for.
    var unseenPods: Int {
        deployments.reduce(0) { sum, deployment in
            let seen = pods(of: Self.revision(of: deployment)).count {
                !$0.isBeingDeleted && !PodDiagnosis.isOver($0)
            }
            return sum + max(0, Self.countedPods(of: deployment) - seen)
        }
    }

    private static func countedPods(of deployment: KubeObject) -> Int {
        let counted = deployment["status", "replicas"]?.int ?? 0
        let isCurrent = deployment["status", "observedGeneration"]?.integer ?? 0 >= deployment.generation ?? 0
        return isCurrent ? counted : max(counted, deployment["spec", "replicas"]?.int ?? 1)
    }
}
