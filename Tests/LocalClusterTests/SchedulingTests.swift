// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import LocalCluster

@Suite("Where the scheduler puts pods, and what it says when it can't")
struct SchedulingTests {
    static func node(_ name: String, cpu: String = "2", labels: [String: String] = [:], taints: JSONValue = [])
        -> KubeObject
    {
        var node = KubeObject(.nodes, namespace: nil, name: name)
        node.labels = labels.merging(["kubernetes.io/hostname": name]) { first, _ in first }
        if taints != [] { node["spec"] = ["taints": taints] }
        node["status"] = ["allocatable": ["cpu": .string(cpu), "memory": "4Gi", "pods": "10"]]
        return node
    }

    static func pod(_ name: String, cpu: String? = nil, on node: String? = nil, spec: JSONValue = .emptyObject)
        -> KubeObject
    {
        var pod = KubeObject(.pods, namespace: "shop", name: name)
        pod["metadata", "uid"] = .string(name)
        var container: JSONValue = ["name": "main"]
        if let cpu { container["resources"] = ["requests": ["cpu": .string(cpu)]] }
        pod["spec"] = ["containers": [container]]
        for (member, value) in spec.object ?? JSONObject() { pod["spec", member] = value }
        if let node { pod["spec", "nodeName"] = .string(node) }
        return pod
    }

    private let two = [node("a"), node("b")]

    @Test("A pod that fits nowhere is told how many nodes refuse it, and why")
    func refusal() {
        func message(_ pod: KubeObject, _ nodes: [KubeObject], _ placed: [KubeObject] = []) -> String {
            guard case .refuse(let message) = SchedulingPlan(pod: pod, nodes: nodes, placed: placed) else { return "" }
            return message
        }
        #expect(message(Self.pod("p", cpu: "3"), two) == "0/2 nodes are available: 2 Insufficient cpu.")
        let used = Self.pod("q", cpu: "1500m", on: "a")
        let mixed = [two[0], Self.node("b", taints: [["key": "k", "value": "v", "effect": "NoSchedule"]])]
        #expect(
            message(Self.pod("p", cpu: "600m"), mixed, [used])
                == "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s)."
        )
        var cordoned = two[0]
        cordoned["spec", "unschedulable"] = true
        #expect(
            message(Self.pod("p", spec: ["nodeSelector": ["disk": "fast"]]), [cordoned, two[1]])
                == "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
                + "1 node(s) were unschedulable."
        )
        #expect(message(Self.pod("p"), []) == "no nodes available to schedule pods")
        let many = (0..<10).map { Self.pod("q\($0)", on: "a") }
        #expect(message(Self.pod("p"), [two[0]], many) == "0/1 nodes are available: 1 Too many pods.")
        let ports: JSONValue = ["containers": [["ports": [["containerPort": 80, "hostPort": 80]]]]]
        #expect(
            message(Self.pod("p", spec: ports), [two[0]], [Self.pod("q", on: "a", spec: ports)])
                == "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
        )
    }

    @Test("Pods go where there is room, away from their siblings, and to what they prefer")
    func choice() {
        func choose(_ pod: KubeObject, _ placed: [KubeObject], _ nodes: [KubeObject]) -> SchedulingPlan {
            SchedulingPlan(pod: pod, nodes: nodes, placed: placed)
        }
        #expect(choose(Self.pod("p", cpu: "1"), [Self.pod("q", cpu: "1500m", on: "a")], two) == .bind(node: "b"))
        #expect(choose(Self.pod("p"), [], two) == .bind(node: "a"))
        var one = Self.pod("p")
        var other = Self.pod("q", on: "a")
        let owner = OwnerReference(controller: WorkloadPlanTests.deployment(replicas: 2, image: "i"))
        one.ownerReferences = owner.map { [$0] } ?? []
        other.ownerReferences = one.ownerReferences
        let loads = [other, Self.pod("x", cpu: "1", on: "b")]
        #expect(choose(one, loads, two) == .bind(node: "b"), "beside no sibling, though there is less room")
        let shy = [Self.node("a", taints: [["key": "k", "effect": "PreferNoSchedule"]]), two[1]]
        #expect(choose(Self.pod("p"), [Self.pod("x", cpu: "1", on: "b")], shy) == .bind(node: "b"))
        let preference: JSONValue = [
            "affinity": [
                "nodeAffinity": [
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        [
                            "weight": 5,
                            "preference": [
                                "matchExpressions": [
                                    ["key": "kubernetes.io/hostname", "operator": "In", "values": ["b"]]
                                ]
                            ],
                        ]
                    ]
                ]
            ]
        ]
        #expect(choose(Self.pod("p", spec: preference), [], two) == .bind(node: "b"))
        let ended = Self.pod("q", cpu: "2", on: "a", spec: .emptyObject)
        var gone = ended
        gone["status"] = ["phase": "Succeeded"]
        #expect(choose(Self.pod("p", cpu: "2"), [gone, Self.pod("r", cpu: "2", on: "b")], two) == .bind(node: "a"))
    }

    @Test("A toleration opens a tainted node; its effect, key and value have to fit")
    func tolerations() {
        let taint = Taint(key: "k", value: "v", effect: .noSchedule)
        for (json, covers) in [
            (["key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"], true),
            (["key": "k", "value": "v"], true), (["operator": "Exists"], true),
            (["key": "k", "operator": "Exists"], true),
            (["key": "k", "value": "w"], false), (["key": "k", "value": "v", "effect": "NoExecute"], false),
            (["key": "l", "operator": "Exists"], false),
        ] as [(JSONValue, Bool)] {
            #expect(Toleration(json).covers(taint) == covers, "\(json)")
        }
    }

    @Test("Required anti-affinity holds both ways, affinity needs a partner, spreading counts domains")
    func neighbours() {
        func term(_ app: String) -> JSONValue {
            [
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    ["labelSelector": ["matchLabels": ["app": .string(app)]], "topologyKey": "kubernetes.io/hostname"]
                ]
            ]
        }
        var web = Self.pod("web", on: "a")
        web.labels = ["app": "web"]
        let apart = Self.pod("p", spec: ["affinity": ["podAntiAffinity": term("web")]])
        #expect(SchedulingPlan(pod: apart, nodes: two, placed: [web]) == .bind(node: "b"))
        #expect(
            SchedulingPlan(pod: apart, nodes: [two[0]], placed: [web])
                == .refuse(message: "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.")
        )
        var guarded = Self.pod("g", on: "a", spec: ["affinity": ["podAntiAffinity": term("web")]])
        guarded.labels = ["app": "g"]
        var incoming = Self.pod("w")
        incoming.labels = ["app": "web"]
        #expect(SchedulingPlan(pod: incoming, nodes: two, placed: [guarded]) == .bind(node: "b"))
        let together = Self.pod("p", spec: ["affinity": ["podAffinity": term("web")]])
        var moved = web
        moved["spec", "nodeName"] = "b"
        #expect(SchedulingPlan(pod: together, nodes: two, placed: [moved]) == .bind(node: "b"))
        var first = together
        first.labels = ["app": "web"]
        #expect(SchedulingPlan(pod: first, nodes: two, placed: []) == .bind(node: "a"), "somebody has to be first")
        let spread: JSONValue = [
            "topologySpreadConstraints": [
                [
                    "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": ["matchLabels": ["app": "web"]],
                ]
            ]
        ]
        var even = Self.pod("p", spec: spread)
        even.labels = ["app": "web"]
        #expect(
            SchedulingPlan(pod: even, nodes: [two[0], Self.node("b", cpu: "0")], placed: [web])
                == .bind(node: "b")
        )
    }

    @Test("What init containers and sidecars need counts as the scheduler counts it")
    func requests() {
        var pod = Self.pod("p", cpu: "500m")
        func container(_ cpu: String, sidecar: Bool = false) -> JSONValue {
            var json: JSONValue = ["name": .string(cpu), "resources": ["requests": ["cpu": .string(cpu)]]]
            if sidecar { json["restartPolicy"] = "Always" }
            return json
        }
        pod["spec", "initContainers"] = [container("100m", sidecar: true), container("300m")]
        #expect(NodeFilter.requests(of: pod)["cpu"] == Quantity(milli: 600))
        pod["spec", "initContainers"] = [container("100m", sidecar: true), container("2")]
        #expect(NodeFilter.requests(of: pod)["cpu"] == Quantity(milli: 2100))
    }

    @Test("Room that was given away is taken, although the cache doesn't show it yet")
    func assumed() {
        let assumed = AssumedPods()
        let pods = ["p", "q", "r"].map { Self.pod($0, cpu: "2") }
        #expect(assumed.place(pods[0], seen: pods, nodes: two) == .bind(node: "a"))
        #expect(assumed.place(pods[1], seen: pods, nodes: two) == .bind(node: "b"))
        #expect(
            assumed.place(pods[2], seen: pods, nodes: two)
                == .refuse(message: "0/2 nodes are available: 2 Insufficient cpu.")
        )
        assumed.forget(pods[0])
        #expect(assumed.place(pods[2], seen: pods, nodes: two) == .bind(node: "a"))
    }

    private static func spread(_ more: JSONValue = .emptyObject) -> JSONValue {
        var constraint: JSONValue = [
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": ["matchLabels": ["app": "web"]],
        ]
        for (member, value) in more.object ?? JSONObject() { constraint[member] = value }
        return ["topologySpreadConstraints": [constraint]]
    }

    private static func web(_ name: String, on node: String? = nil, spec: JSONValue = .emptyObject) -> KubeObject {
        var pod = pod(name, on: node, spec: spec)
        pod.labels = ["app": "web"]
        return pod
    }

    @Test("Pods are spread over the nodes that they may go to, unless they say otherwise")
    func spreadingNodes() {
        let nodes = [Self.node("a", labels: ["disk": "fast"]), Self.node("b")]
        let placed = [Self.web("q", on: "a")]
        func place(_ more: JSONValue) -> SchedulingPlan {
            var spec = Self.spread(more)
            spec["nodeSelector"] = ["disk": "fast"]
            return SchedulingPlan(pod: Self.web("p", spec: spec), nodes: nodes, placed: placed)
        }
        #expect(place(.emptyObject) == .bind(node: "a"), "the other node isn't for it")
        guard case .refuse = place(["nodeAffinityPolicy": "Ignore"]) else {
            Issue.record("a node that it may not go to counts, where it says so")
            return
        }
        let tainted = [
            Self.node("a"), Self.node("b", taints: [["key": "k", "effect": "NoSchedule"]]),
        ]
        func placeBesideTaint(_ more: JSONValue) -> SchedulingPlan {
            SchedulingPlan(pod: Self.web("p", spec: Self.spread(more)), nodes: tainted, placed: placed)
        }
        #expect(placeBesideTaint(["nodeTaintsPolicy": "Honor"]) == .bind(node: "a"))
        guard case .refuse = placeBesideTaint(.emptyObject) else {
            Issue.record("a tainted node counts by default")
            return
        }
    }

    @Test("With fewer domains than asked for, each takes only as many pods as the skew allows")
    func minimumDomains() {
        let placed = [Self.web("q", on: "a"), Self.web("r", on: "b")]
        func place(_ more: JSONValue) -> SchedulingPlan {
            SchedulingPlan(pod: Self.web("p", spec: Self.spread(more)), nodes: two, placed: placed)
        }
        #expect(place(["minDomains": 2]) == .bind(node: "a"))
        #expect(
            place(["minDomains": 3])
                == .refuse(
                    message: "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints."
                )
        )
    }

    private static func term(_ app: String, _ more: JSONValue = .emptyObject) -> JSONValue {
        var term: JSONValue = [
            "labelSelector": ["matchLabels": ["app": .string(app)]], "topologyKey": "kubernetes.io/hostname",
        ]
        for (member, value) in more.object ?? JSONObject() { term[member] = value }
        return term
    }

    private static func affinity(_ kind: String, _ terms: [JSONValue]) -> JSONValue {
        var affinity = JSONValue.emptyObject
        affinity[kind] = ["requiredDuringSchedulingIgnoredDuringExecution": .array(terms)]
        return ["affinity": affinity]
    }

    @Test("A term looks into the namespaces that it selects by their labels")
    func namespaceSelector() {
        var other = Self.web("q", on: "a")
        other.json.set("stock", at: "metadata", "namespace")
        let namespaces = ["shop": [:], "stock": ["team": "b"], "till": ["team": "c"]]
        func place(_ selector: JSONValue) -> SchedulingPlan {
            let term = Self.term("web", ["namespaceSelector": selector])
            let pod = Self.pod("p", spec: Self.affinity("podAntiAffinity", [term]))
            return SchedulingPlan(pod: pod, nodes: two, placed: [other], namespaces: namespaces)
        }
        #expect(place(["matchLabels": ["team": "b"]]) == .bind(node: "b"))
        #expect(place(.emptyObject) == .bind(node: "b"), "an empty selector means all")
        // The emptier node is taken where the term says nothing about it: the pod stands beside the other one.
        let heavy = Self.pod("x", cpu: "1", on: "b")
        func placeBeside(_ selector: JSONValue) -> SchedulingPlan {
            let term = Self.term("web", ["namespaceSelector": selector])
            let pod = Self.pod("p", spec: Self.affinity("podAntiAffinity", [term]))
            return SchedulingPlan(pod: pod, nodes: two, placed: [other, heavy], namespaces: namespaces)
        }
        #expect(placeBeside(["matchLabels": ["team": "c"]]) == .bind(node: "a"))
        #expect(placeBeside(["matchLabels": ["team": "b"]]) == .bind(node: "b"))
    }

    @Test("Affinity asks for one pod that meets all terms, not for one each")
    func allTerms() {
        var both = Self.web("q", on: "b")
        both.labels["tier"] = "front"
        var tier = Self.pod("r", on: "a")
        tier.labels = ["tier": "front"]
        let tierTerm: JSONValue = [
            "labelSelector": ["matchLabels": ["tier": "front"]], "topologyKey": "kubernetes.io/hostname",
        ]
        let pod = Self.pod("p", spec: Self.affinity("podAffinity", [Self.term("web"), tierTerm]))
        let halves = [Self.web("s", on: "a"), tier]
        guard case .refuse = SchedulingPlan(pod: pod, nodes: two, placed: halves) else {
            Issue.record("two pods that meet a term each are no partner")
            return
        }
        #expect(SchedulingPlan(pod: pod, nodes: two, placed: halves + [both]) == .bind(node: "b"))
    }
}
