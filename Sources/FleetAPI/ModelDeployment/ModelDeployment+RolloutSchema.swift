// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension ModelDeployment {
    /// The most steps of a rollout.
    static let mostSteps = 50

    private static let step = StructuralSchema.object(
        "One step: exactly one of its members.",
        [
            "setWeight": .integer("The canary gets this share of the requests, in percent.", from: 0, to: 100),
            "pause": .object(
                "Stays, for a time or until a person promotes.",
                [
                    "durationSeconds": .integer(
                        "For how many seconds; without it until `modelfleet rollout promote`.",
                        from: 1,
                        to: 2_592_000
                    )
                ]
            ),
            "analysis": .object(
                "Stays until the judge is certain.",
                [
                    "durationSeconds": .integer(
                        "For how many seconds at most; without it analysis.durationSeconds.",
                        from: 1,
                        to: 2_592_000
                    )
                ]
            ),
            "setReplicas": .integer("The canary gets at least this many replicas.", from: 1, to: 10_000),
        ]
    ).rule(
        "[has(self.setWeight), has(self.pause), has(self.analysis), has(self.setReplicas)].filter(x, x).size() == 1",
        "must have exactly one of setWeight, pause, analysis and setReplicas"
    )

    private static let fallbacks = ["Wait", "Promote", "Rollback"]

    private static let check = StructuralSchema.object(
        "One further check: exactly one of prometheus and webhook.",
        required: ["name"],
        [
            "name": .string("Its name.", minLength: 1, maxLength: 63),
            "prometheus": .object(
                "A PromQL query whose value must be within bounds.",
                required: ["address", "query"],
                [
                    "address": .string("The server's address, as http://prometheus.monitoring:9090.", maxLength: 2048),
                    "query": .string("The query, in PromQL.", minLength: 1, maxLength: 4096),
                    "min": .number("The smallest value that passes."), "max": .number("The largest value that passes."),
                ]
            ).rule("has(self.min) || has(self.max)", "must have min, max or both")
                .rule(
                    "!has(self.min) || !has(self.max) || self.min <= self.max",
                    "min must not be greater than max"
                ),
            "webhook": .object(
                "A POST that must be answered with a status of 2xx.",
                required: ["url"],
                [
                    "url": .string("Where it goes.", pattern: "^(https|http)://.+$", maxLength: 2048),
                    "timeoutSeconds": .integer("How long an answer may take, 10 by default.", from: 1, to: 60),
                ]
            ),
        ]
    ).rule("has(self.prometheus) != has(self.webhook)", "must have exactly one of prometheus and webhook")

    private static let analysis = StructuralSchema.object(
        "How a canary is judged: errors and latency beside the stable track's over the same time, valid at every look.",
        [
            "falseRollbackRate": .number(
                "The largest probability that a canary which is no worse is ever rolled back; 0.01 by default.",
                from: 0.000001,
                to: 0.5
            ),
            "falsePromotionRate": .number(
                "The largest probability that an analysis passes a canary that is worse by the margins; 0.05 by default.",
                from: 0.000001,
                to: 0.5
            ),
            "errorMargin": .number(
                "By how much the error ratio may be larger and pass; 0.01, one percentage point, by default.",
                from: 0.00001,
                to: 0.9
            ),
            "latencyMargin": .number(
                "By how much the share of slow requests may be larger and pass; 0.05 by default.",
                from: 0.00001,
                to: 0.9
            ),
            "minimumRequests": .integer(
                "How many requests each track must have for a look; 20 by default.",
                from: 4,
                to: 1_000_000
            ),
            "maxErrorRatio": .number("The largest error ratio, whatever the stable track's is.", from: 0, to: 1),
            "maxLatency": .object(
                "The largest latency, whatever the stable track's is.",
                required: ["milliseconds"],
                [
                    "percentile": .number("Which share of the requests, in percent; 95 by default.", from: 1, to: 99.9),
                    "milliseconds": .integer("The latency in milliseconds.", from: 1, to: 3_600_000),
                ]
            ),
            "maxDrift": .number("By how much the share of any category of outputs may differ.", from: 0.001, to: 0.99),
            "warmupSeconds": .integer(
                "For how many seconds a pod must be ready to count; 30 by default.",
                from: 0,
                to: 86_400
            ),
            "intervalSeconds": .integer("The seconds between two looks; 10 by default.", from: 1, to: 3600),
            "durationSeconds": .integer("How long an analysis may take; 300 by default.", from: 1, to: 2_592_000),
            "onNoData": .string("What to do after that with nothing to compare; Wait by default.", of: fallbacks),
            "onInconclusive": .string("What to do after that without an answer; Wait by default.", of: fallbacks),
            "timeoutSeconds": .integer(
                "How long a step may wait for an answer or a person; then it is rolled back. 86400 by default.",
                from: 1,
                to: 2_592_000
            ),
            "checks": .list("Further checks; each must pass.", of: check, limit: 20, keys: ["name"]),
        ]
    )

    private static let traffic = StructuralSchema.object(
        "Who routes the requests.",
        [
            "provider": .string(
                "Auto: the routes that are named, the Service proxy in the local cluster, otherwise Replicas. Replicas: by the number of pods.",
                of: ["Auto", "Replicas", "GatewayAPI", "Istio", "Local"]
            ),
            "httpRoutes": .list(
                "The HTTPRoutes of the Gateway API that route to the model's Service.",
                of: .string("A name.", minLength: 1, maxLength: 253),
                limit: 10
            ),
            "virtualServices": .list(
                "The VirtualServices of Istio that route to the model's Service.",
                of: .string("A name.", minLength: 1, maxLength: 253),
                limit: 10
            ),
            "sticky": .object(
                "A client stays on its track as long as the weight stays.",
                required: ["header"],
                [
                    "header": .string(
                        "The request header that tells clients apart.",
                        pattern: headerPattern,
                        maxLength: 128
                    )
                ]
            ),
            "matches": .list(
                "Requests that go to the canary whatever the weight is.",
                of: .object(
                    "One match.",
                    required: ["header", "value"],
                    [
                        "header": .string(
                            "The request header; `cookie` with the value NAME=VALUE matches a cookie.",
                            pattern: headerPattern,
                            maxLength: 128
                        ),
                        "value": .string("Its value, exactly.", minLength: 1, maxLength: 512),
                    ]
                ),
                limit: 10
            ),
        ]
    )

    private static let headerPattern = "^[A-Za-z0-9!#$%&'*+.^_|~-]+$"

    private static let notification = StructuralSchema.object(
        "Who is told of what happens.",
        required: ["url"],
        [
            "url": .string("Where a POST of JSON goes.", pattern: "^(https|http)://.+$", maxLength: 2048),
            "secretName": .string(
                "A Secret with the key that signs the body (HMAC-SHA-256).",
                minLength: 1,
                maxLength: 253
            ),
            "events": .list(
                "Which events; all without it.",
                of: .string(
                    "An event.",
                    of: [
                        "Started", "StepStarted", "Paused", "Resumed", "Promoting", "RollingBack", "Promoted",
                        "RolledBack",
                        "Aborted", "Superseded", "Failed",
                    ]
                ),
                limit: 20
            ),
        ]
    )

    /// The schema of `spec.rollout`.
    static let rolloutSchema = StructuralSchema.object(
        "How a new revision replaces the old one.",
        [
            "strategy": .string(
                "RollingUpdate brings the new revision up to the old one's size, moves the traffic, then removes the old one. "
                    + "Canary moves the traffic in steps. BlueGreen keeps a full second track with a preview Service before it "
                    + "switches. Shadow sends copies of the requests first.",
                default: "RollingUpdate",
                of: ["Canary", "BlueGreen", "Shadow", "RollingUpdate"]
            ),
            "progressDeadlineSeconds": .integer(
                "How long a new revision may take to get ready before the rollout counts as failed.",
                from: 1,
                to: 86_400,
                default: 600
            ),
            "steps": .list(
                "The steps of a canary; 10, 25 and 50 % with an analysis each by default. The promotion follows the last one.",
                of: step,
                limit: mostSteps
            ),
            "analysis": analysis, "traffic": traffic,
            "blueGreen": .object(
                "How BlueGreen goes on.",
                [
                    "autoPromote": StructuralSchema.boolean("Whether it switches by itself; true by default."),
                    "scaleDownDelaySeconds": .integer(
                        "How long the old track stays after the switch; 30 by default.",
                        from: 0,
                        to: 86_400
                    ),
                ]
            ),
            "dynamicStableScale": .boolean(
                "Whether the stable track gives up the replicas whose load the canary carries: cheaper, and slower to roll back. "
                    + "It needs a router: where the pods share the requests, the stable track stays whole."
            ),
            "surge": .string(
                "What to do about full nodes: Auto uses spare room, and otherwise replaces one replica after the other, never the last "
                    + "one; Always needs room; Never replaces at once, the last one included. Auto by default.",
                of: ["Auto", "Always", "Never"]
            ),
            "paused": .boolean("Whether a rollout stays where it is. The judge watches on."),
            "revisionHistoryLimit": .integer("How many ended rollouts are remembered; 10 by default.", from: 0, to: 50),
            "notifications": .list("Who is told of what happens.", of: notification, limit: 10),
        ]
    ).rule(
        "!has(self.strategy) || self.strategy != 'Shadow' || !has(self.traffic) || !has(self.traffic.provider)"
            + " || self.traffic.provider != 'Replicas'",
        "traffic.provider Replicas can't send copies of requests, which strategy Shadow needs: use GatewayAPI, Istio or Local"
    ).defaulting(to: .emptyObject)

    /// The schema of `status.rollout`.
    static let rolloutStatus: StructuralSchema = {
        var schema = StructuralSchema.object(
            "Where the rollout is; the operator goes on from here after a restart.",
            [
                "phase": .string("What it is doing."), "strategy": .string("The strategy."),
                "stableRevision": .integer("The revision with the stable role.", from: 0),
                "canaryRevision": .integer("The revision that is rolled out, or was last.", from: 0),
                "stepIndex": .integer("The step, from 0.", from: 0),
                "stepCount": .integer("How many steps there are before the promotion.", from: 0),
                "startedAt": SharedSchema.time("When the rollout began."),
                "stepStartedAt": SharedSchema.time("When the step began."),
                "deadline": SharedSchema.time("When the phase ends by itself."),
                "desiredWeight": .integer("The canary's share that is wanted, in percent.", from: 0, to: 100),
                "achievedWeight": .integer("The canary's share that it really has, in percent.", from: 0, to: 100),
                "message": .string("A sentence for a person."),
                "handledRequest": .string("The request that was acted on last."),
                "judgement": .open("What the judge holds of the canary."), "judge": .open("What the judge remembers."),
                "checks": .list(
                    "What the further checks answered last.",
                    of: StructuralSchema.object(
                        "One answer.",
                        required: ["name"],
                        [
                            "name": .string("The check."), "result": .string("Passed, Failed or NoData."),
                            "message": .string("What was seen."),
                        ]
                    ),
                    limit: 20,
                    keys: ["name"]
                ),
            ]
        )
        schema.preservesUnknownFields = true
        return schema
    }()

    /// The schema of `status.history`.
    static let history = StructuralSchema.list(
        "The rollouts that have ended, the newest first.",
        of: .object(
            "How a rollout ended.",
            [
                "revision": .integer("The revision.", from: 0), "version": .string("The model version."),
                "hash": .string("The fingerprint of what it was rendered from."),
                "outcome": .string("How it ended: Promoted, RolledBack, Aborted or Superseded."),
                "reason": .string("Why."), "startedAt": SharedSchema.time("When it began."),
                "endedAt": SharedSchema.time("When it ended."),
            ]
        ),
        limit: 50
    )
}
