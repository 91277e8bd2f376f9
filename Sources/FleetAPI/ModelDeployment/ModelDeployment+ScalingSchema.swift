// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension ModelDeployment {
    private static let rules = StructuralSchema.object(
        "Rules for one direction.",
        [
            "stabilizationWindowSeconds": .integer(
                "For how many seconds an opposite recommendation is remembered: 0 for up, 300 for down by default.",
                from: 0,
                to: 3600
            ),
            "selectPolicy": .string(
                "Which policy counts: the one that allows most change, least change, or no change at all.",
                of: ["Max", "Min", "Disabled"]
            ),
            "policies": .list(
                "How far the count may move within a period.",
                of: .object(
                    "One limit.",
                    required: ["type", "value", "periodSeconds"],
                    [
                        "type": .string("What the value counts.", of: ["Pods", "Percent"]),
                        "value": .integer("The most change in one period.", from: 1),
                        "periodSeconds": .integer("The length of the period in seconds.", from: 1, to: 1800),
                    ]
                ),
                limit: 10
            ),
            "tolerance": .number(
                "The relative distance from a target that is close enough, 0.1 by default.",
                from: 0,
                to: 1
            ),
        ]
    )

    private static let target = StructuralSchema.object(
        "One level.",
        required: ["signal", "value"],
        [
            "signal": .string(
                "What is measured: requests that wait, requests accepted and not yet answered, requests a second.",
                of: ["QueueLength", "InFlight", "RequestRate"]
            ),
            "value": .number("The level per replica; 0.001 or more.", from: 0.001, to: 1_000_000),
            "activationValue": .number(
                "The total over all replicas up to which the model counts as idle, for scaleToZero; 0 by default. Where a "
                    + "target has one, signals without a target don't count for this.",
                from: 0,
                to: 1_000_000
            ),
        ]
    )

    private static let objective = StructuralSchema.object(
        "The promise to keep to users.",
        [
            "latency": .object(
                "A latency that most requests keep below.",
                required: ["milliseconds"],
                [
                    "percentile": .integer("Which share of the requests, in percent.", from: 1, to: 99, default: 95),
                    "milliseconds": .integer("The latency in milliseconds.", from: 1, to: 3_600_000),
                    "latePrice": .number(
                        "The knob of policy SLO between cost and safety: what a late request costs, as a multiple of what it costs "
                            + "to serve one. By default 2.5 over the share that may be late: 50 for the 95th percentile. "
                            + "modelfleet simulate --tune finds one for a recorded load.",
                        from: 0.1,
                        to: 10_000
                    ),
                ]
            )
        ]
    )

    private static func query(_ what: String) -> StructuralSchema {
        .string("PromQL for \(what); a result with the label `pod` is per replica.", minLength: 1, maxLength: 4096)
    }

    private static let prometheus = StructuralSchema.object(
        "The Prometheus server to ask, with metricsSource Prometheus.",
        required: ["address", "queries"],
        [
            "address": .string(
                "Its address: http://prometheus.monitoring:9090.",
                pattern: "^(https|http)://[^@?# ]+$",
                maxLength: 2048
            ),
            "queries": .object(
                "What to ask. ${namespace}, ${model} and ${revision} stand for the model's; a signal without a query is "
                    + "missing.",
                [
                    "queueLength": query("the requests that wait"),
                    "inFlight": query("the requests accepted and not yet answered, those that wait included"),
                    "requestRate": query("requests a second"), "errorRate": query("errors a second"),
                    "latency": query("the objective's latency percentile in seconds"),
                ]
            ),
            "lookbackSeconds": .integer("How old a sample may be that a query reads.", from: 5, to: 3600, default: 60),
        ]
    )

    private static let fallback = StructuralSchema.object(
        "The fewest replicas while nothing can be read; it never lowers what there is.",
        required: ["replicas"],
        [
            "failureThreshold": .integer(
                "After how many readings in a row that failed.",
                from: 1,
                to: 1000,
                default: 3
            ),
            "replicas": .integer("The fewest replicas from then on.", from: 1, to: 10_000),
        ]
    )

    private static let schedule = StructuralSchema.object(
        "A time with bounds of its own: from each `start` to the next `end`.",
        required: ["name", "start", "end"],
        [
            "name": .string("Its name, in reasons.", minLength: 1, maxLength: 63),
            "timeZone": .string(
                "The IANA time zone of start and end: Europe/Berlin. UTC by default.",
                pattern: "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
                maxLength: 64
            ),
            "start": .string("When it begins, as crontab(5): `0 8 * * mon-fri`.", minLength: 9, maxLength: 200),
            "end": .string("When it ends, as crontab(5).", minLength: 9, maxLength: 200),
            "minReplicas": .integer(
                "The fewest replicas meanwhile, up to spec.scaling.maxReplicas.",
                from: 1,
                to: 10_000
            ),
            "maxReplicas": .integer(
                "The most replicas meanwhile, down to spec.scaling.minReplicas.",
                from: 1,
                to: 10_000
            ),
        ]
    ).rule(
        "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
        "minReplicas must not be greater than maxReplicas"
    )

    /// The most replicas of a model that doesn't say.
    private static let defaultMaxReplicas = 5

    /// The schema of `spec.scaling`.
    static let scaling = StructuralSchema.object(
        "How the number of replicas follows the load.",
        [
            "engine": .string(
                "Who decides the replica count: Direct (the operator, from the metrics of the pods), "
                    + "HorizontalPodAutoscaler (an HPA that the operator keeps) or External (whoever writes `replicas`).",
                default: "Direct",
                of: ["Direct", "HorizontalPodAutoscaler", "External"]
            ),
            "policy": .string(
                "How signals become a count, with engine Direct: SLO (a queueing model and a forecast that keep the latency "
                    + "objective), TargetTracking (the HPA's rule over the targets) or Rule (thresholds and fixed factors). "
                    + "By default SLO with a latency objective and TargetTracking without.",
                of: ["TargetTracking", "SLO", "Rule"]
            ),
            "mode": .string(
                "Auto acts on decisions; Observe decides and reports, and leaves the count alone.",
                default: "Auto",
                of: ["Auto", "Observe"]
            ),
            "paused": .boolean("Whether the count stays as it is, with engine Direct; decisions are still reported."),
            "minReplicas": .integer(
                "The fewest replicas of a model in use; 0 needs scaleToZero.",
                from: 0,
                to: 10_000,
                default: 1
            ),
            "maxReplicas": .integer("The most replicas.", from: 1, to: 10_000, default: defaultMaxReplicas),
            "objective": objective,
            "targets": .list(
                "Levels per replica to hold; the largest answer wins. By default QueueLength 4 and InFlight 16 where no objective is given.",
                of: target,
                limit: 3,
                keys: ["signal"]
            ),
            "intervalSeconds": .integer(
                "How often the pods are scraped and the count is decided, with engine Direct.",
                from: 1,
                to: 15,
                default: 2
            ),
            "metricsSource": .string(
                "Where signals come from: the metrics pages of the pods, or a Prometheus server.",
                default: "Pods",
                of: ["Pods", "Prometheus"]
            ),
            "prometheus": prometheus,
            "behavior": .object(
                "How quickly the count may change, as in the HPA; with policy SLO there is no limit by default.",
                ["scaleUp": rules, "scaleDown": rules]
            ),
            "fallback": fallback,
            "schedules": .list("Times with bounds of their own.", of: schedule, limit: 20, keys: ["name"]),
            "scaleToZero": .object(
                "Lets an idle model go to no replica at all, with engine Direct. The first request wakes it: whoever holds the "
                    + "request writes the annotation modelfleet.dev/wake-at on the model's Service.",
                required: ["idleSeconds"],
                ["idleSeconds": .integer("Seconds without a request.", from: 10, to: 604_800)]
            ),
        ]
    ).rule(
        "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
        "minReplicas must not be greater than maxReplicas, which is \(defaultMaxReplicas) where it isn't set"
    ).rule(
        "!has(self.minReplicas) || self.minReplicas > 0 || has(self.scaleToZero)",
        "minReplicas 0 needs scaleToZero"
    ).rule(
        "!has(self.metricsSource) || self.metricsSource != 'Prometheus' || has(self.prometheus)",
        "metricsSource Prometheus needs prometheus"
    ).rule(
        "!has(self.policy) || self.policy != 'SLO' || has(self.engine) && self.engine != 'Direct'"
            + " || has(self.objective) && has(self.objective.latency)",
        "policy SLO needs objective.latency"
    ).rule(
        "!has(self.policy) || self.policy != 'Rule' || has(self.engine) && self.engine != 'Direct'"
            + " || !has(self.targets) || self.targets.size() == 0 || self.targets.exists(t, t.signal == 'QueueLength')"
            + " || has(self.objective) && has(self.objective.latency)",
        "policy Rule needs a target for QueueLength, a latency objective, or both"
    ).defaulting(to: .emptyObject)
}
