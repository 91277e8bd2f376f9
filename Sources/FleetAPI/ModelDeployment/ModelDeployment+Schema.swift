// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

extension ModelDeployment {
    /// The schema of the whole object.
    public static let schema = StructuralSchema.object(
        "A model that is served: the operator keeps pods running for it, scales them and rolls new versions out.",
        required: ["spec"],
        ["spec": specSchema, "status": statusSchema]
    )

    /// The definition to install.
    public static var customResourceDefinition: KubeObject {
        let column = SharedSchema.column
        return SharedSchema.definition(
            .modelDeployments,
            shortName: "mdep",
            columns: [
                column(
                    "Version",
                    "string",
                    ".status.stable.version",
                    "The model version that gets the traffic.",
                    false
                ),
                column("Ready", "string", ".status.ready", "Ready replicas of all.", false),
                column(
                    "Desired",
                    "integer",
                    ".status.scaling.desiredReplicas",
                    "The replicas that scaling asks for.",
                    false
                ),
                column("Engine", "string", ".spec.scaling.engine", "Who decides the replica count.", false),
                column("Queue", "string", ".status.scaling.queue", "Waiting requests per replica.", false),
                column(
                    "P95",
                    "string",
                    ".status.scaling.p95",
                    "The latency that 95 % of the requests keep below.",
                    false
                ),
                column("Status", "string", ".status.summary", "What is true now, in a few words.", false),
                column("Age", "date", ".metadata.creationTimestamp", "The time since it was created.", false),
            ],
            subresources: [
                "status": [:],
                "scale": [
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.selector",
                ],
            ],
            schema: schema,
            name: .string(
                "The model's name. NAME-rN is a Deployment, and a Service has this name.",
                pattern: "^[a-z]([-a-z0-9]*[a-z0-9])?$",
                maxLength: longestName
            )
        )
    }

    /// The most characters of a name: NAME-rN is a Deployment, and its pods' names need 17 more of the 63 that a host name may have.
    public static let longestName = 46

    private static let track = StructuralSchema.object(
        "A revision in its role.",
        [
            "version": .string("The model version that it serves."),
            "revision": .integer("The revision's number.", from: 0),
            "replicas": .integer("Its replicas.", from: 0), "readyReplicas": .integer("Its ready replicas.", from: 0),
            "weight": .integer("Its share of the requests in percent, while a canary is under way.", from: 0, to: 100),
            "step": .integer("The canary's step, from 1.", from: 0),
            "judgement": .string("What the judge holds of the canary."),
        ]
    )

    private static let signal = StructuralSchema.object(
        "One signal of a decision.",
        [
            "name": .string("The signal."), "value": .string("Its value per replica; empty when it is missing."),
            "target": .string("What it was compared with."), "ageSeconds": .integer("The value's age in seconds."),
            "proposedReplicas": .integer("The replicas that it asked for."), "note": .string("How it came to that."),
        ]
    )

    private static let step = StructuralSchema.object(
        "One rule's effect.",
        [
            "rule": .string("The rule."), "before": .integer("The count before."),
            "after": .integer("The count after."),
            "note": .string("Why."),
        ]
    )

    private static func decision(_ description: String) -> StructuralSchema {
        .object(
            description,
            [
                "time": SharedSchema.time("When it was made."), "reason": .string("One word for machines."),
                "message": .string("A sentence for people."), "policy": .string("The policy that decided."),
                "fromReplicas": .integer("The count before."), "toReplicas": .integer("The count after."),
                "winner": .string("The signal with the largest answer."),
                "signals": .list("What each signal asked for.", of: signal, limit: 16),
                "steps": .list("The rules that acted, in order.", of: step, limit: 32),
                "inputs": .open("All that the decision follows from: it can be replayed."),
            ]
        )
    }

    private static let scalingStatus = StructuralSchema.object(
        "The last scaling decision, and the ones before it that changed the count.",
        [
            "desiredReplicas": .integer("The replicas that scaling asks for.", from: 0),
            "engine": .string("The engine that the count comes from."),
            "queue": .string("Waiting requests per replica."),
            "p95": .string("The latency that 95 % of the requests keep below."),
            "coldStartSeconds": .number("The mean time from a pod's creation to its readiness, in seconds."),
            "lastDecision": decision("The last decision and how it came about."),
            "recentChanges": .list(
                "The last decisions that changed the count, the newest first.",
                of: decision("A decision that changed the count."),
                limit: 10
            ),
            "unusedReplicas": .integer("What spec.replicas says while it has no effect.", from: 0),
        ]
    )

    /// The schema of `status`.
    static let statusSchema = StructuralSchema.object(
        "What is true now; written by the operator.",
        [
            "observedGeneration": SharedSchema.generation("The generation of the spec that this status is about."),
            "replicas": .integer(
                "The replicas of the revision that serves; of all while a rollout shares the load.",
                from: 0
            ), "readyReplicas": .integer("Those of them that are ready.", from: 0),
            "ready": .string("Ready replicas of all, as `2/3`."),
            "selector": .string("The label selector of the pods, for the scale subresource."),
            "summary": .string("What is true now, in a few words."),
            "url": .string("Where requests inside of the cluster go."),
            "runtime": .string("The ServingRuntime in use."), "stable": track, "canary": track,
            "rollout": rolloutStatus, "history": history, "scaling": scalingStatus,
            "keptRevision": .integer("The newest revision whose spec is kept in a ControllerRevision.", from: 0),
            "latestRevision": .object(
                "The highest number that was given to a revision: no other gets it, whatever becomes of its Deployment.",
                [
                    "number": .integer("The number.", from: 0),
                    "hash": .string("What it was given to: the hash of all that the revision is rendered from."),
                ]
            ),
            "conditions": SharedSchema.conditions,
        ]
    )
}
