// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import Foundation
import KubeModel
import Rollouts

extension RolloutReport {
    /// The most pods of a track that are drawn.
    static let mostPods = 12
    /// The width of the judge's bars in characters.
    static let barWidth = 24

    /// The tree: the model, its tracks with their pods, the steps, and the judge's view.
    public var tree: [StyledLine] {
        var lines = [heading]
        lines += notes
        let tracks = [("stable", model["status", "stable"]), ("canary", isActive ? model["status", "canary"] : nil)]
            .compactMap { name, track in track.map { (name, $0) } }
        for (index, (name, track)) in tracks.enumerated() {
            lines += draw(name, track, isLast: index == tracks.count - 1)
        }
        if isActive, stepCount > 0 { lines += steps }
        if isActive, rollout?["judgement"] != nil { lines += judge }
        return lines
    }

    private var heading: StyledLine {
        var line = StyledLine("\(model.namespace ?? "default")/\(model.name)  ")
        line.add(rollout?["strategy"]?.string ?? "", .dim)
        line.add(rollout?["strategy"] == nil ? "" : "  ")
        let tone: StyledLine.Tone =
            switch phase {
            case "Settled": .good
            case "RolledBack", "RollingBack", "Failed": .bad
            default: .active
            }
        let shown = shownPhase
        line.add(shown, shown == phase ? tone : .active)
        if isActive, stepCount > 0 {
            line.add(step < stepCount ? "  step \(step + 1) of \(stepCount)" : "  all \(stepCount) steps done", .dim)
        }
        return line
    }

    private var notes: [StyledLine] {
        [sentence, requestNote, deadlineNote, nextNote].compactMap(\.self).map { StyledLine("│ \($0)", .dim) }
    }

    private func draw(_ name: String, _ track: JSONValue, isLast: Bool) -> [StyledLine] {
        let revision = track["revision"]?.int ?? 0
        let (ready, replicas) = (track["readyReplicas"]?.int ?? 0, track["replicas"]?.int ?? 0)
        var line = StyledLine(isLast ? "└─ " : "├─ ", .dim)
        line.add("\(name)  r\(revision)  ")
        if let version = track["version"]?.string, !version.isEmpty { line.add("\(version)  ") }
        if let weight = track["weight"]?.int {
            line.add("\(weight) % of requests", weight > 0 ? .active : .dim)
            let wanted = rollout?["desiredWeight"]?.int ?? weight
            let wantedHere = name == "canary" ? wanted : 100 - wanted
            if isActive, wantedHere != weight { line.add(" (\(wantedHere) % wanted)", .dim) }
            line.add("  ")
        }
        line.add("\(ready)/\(replicas) ready", ready >= replicas ? .good : .active)
        if name == "canary", let mirror = rollout?["mirrorPercent"]?.int, mirror > 0 {
            line.add("  \(mirror) % mirrored", .active)
        }
        let stem = isLast ? "   " : "│  "
        let all = pods[revision] ?? []
        var lines = [line]
        for (index, pod) in all.prefix(Self.mostPods).enumerated() {
            let isLastPod = index == all.count - 1
            lines.append(draw(pod, stem: stem + (isLastPod ? "└─ " : "├─ ")))
        }
        if all.count > Self.mostPods {
            lines.append(StyledLine("\(stem)└─ and \(all.count - Self.mostPods) more", .dim))
        }
        return lines
    }

    private func draw(_ pod: KubeObject, stem: String) -> StyledLine {
        var line = StyledLine(stem, .dim)
        if pod.isBeingDeleted {
            line.add("✗ ", .dim)
            line.add("\(pod.name)  ends", .dim)
            return line
        }
        if PodDiagnosis.isReady(pod) {
            line.add("✓ ", .good)
            line.add(pod.name)
            let since = PodDiagnosis.condition(pod, "Ready").flatMap(Condition.init)?.lastTransitionTime
            if let since { line.add("  ready for \(StyledLine.span(seconds: (now - since).inSeconds))", .dim) }
            return line
        }
        let failure = PodDiagnosis.failure(pod)
        line.add(failure == nil ? "○ " : "✗ ", failure == nil ? .active : .bad)
        line.add(pod.name)
        guard let failure else {
            line.add("  starts", .dim)
            return line
        }
        // Its name stands before it already.
        let name = "pod \(pod.name)"
        var message = failure.message
        if message.hasPrefix(name) { message = String(message.dropFirst(name.count).drop { $0 == ":" || $0 == " " }) }
        line.add("  \(message)", .bad)
        return line
    }

    // MARK: Steps

    private var steps: [StyledLine] {
        var lines = [StyledLine(), StyledLine("steps")]
        let names = stepNames + ["promotion"]
        for (index, name) in names.enumerated() {
            if index < step {
                lines.append(StyledLine("   ✓ \(name)", .good))
            } else if index == step {
                let begun = rollout?["stepStartedAt"]?.string.flatMap(WallTime.init(rfc3339:))
                var line = StyledLine("   ▶ \(name)", phase == "RollingBack" ? .bad : .active)
                if let begun { line.add("  for \(StyledLine.span(seconds: (now - begun).inSeconds))", .dim) }
                lines.append(line)
            } else {
                lines.append(StyledLine("   · \(name)", .dim))
            }
        }
        return lines
    }

    /// The steps in words, as many as status says that there are.
    var stepNames: [String] {
        let planned = ModelDeployment(model).rolloutPlan.steps
        return (0..<stepCount).map { index in
            planned.count == stepCount ? Self.name(planned[index]) : "step \(index + 1)"
        }
    }

    private static func name(_ step: RolloutStep) -> String {
        switch step {
        case .setWeight(let weight): "weight \(weight) %"
        case .mirror(let percent): "mirror \(percent) % of the requests"
        case .setReplicas(nil): "all replicas"
        case .setReplicas(let count?): "\(count) replica\(count == 1 ? "" : "s")"
        case .pause(nil): "pause until promoted"
        case .pause(let time?): "pause of \(StyledLine.span(seconds: time.inSeconds))"
        case .analysis(nil): "analysis"
        case .analysis(let time?): "analysis of \(StyledLine.span(seconds: time.inSeconds))"
        }
    }

    // MARK: The judge

    private var judge: [StyledLine] {
        let judgement = rollout?["judgement"]
        let analysis = model["spec", "rollout", "analysis"]
        let verdict = judgement?["verdict"]?.string ?? ""
        var heading = StyledLine("judge  ")
        heading.add(verdict, verdict == "Worse" ? .bad : verdict == "NotWorse" ? .good : .active)
        var lines = [StyledLine(), heading]
        let rates = [
            ("worse", "confidenceWorse", analysis?["falseRollbackRate"]?.double ?? 0.01, StyledLine.Tone.bad),
            ("not worse", "confidenceNotWorse", analysis?["falsePromotionRate"]?.double ?? 0.05, .good),
        ]
        for (name, field, rate, tone) in rates {
            let confidence = judgement?[field]?.double ?? 0
            var line = StyledLine("   \(name)" + String(repeating: " ", count: 11 - name.count))
            let full = Int((Self.evidence(confidence, rate: rate) * Double(Self.barWidth)).rounded(.down))
            line.add(String(repeating: "█", count: full), tone)
            line.add(String(repeating: "░", count: Self.barWidth - full), .dim)
            line.add("  \(Self.percent(confidence)) of \(Self.percent(1 - rate))")
            lines.append(line)
        }
        if let reason = judgement?["reason"]?.string, reason != sentence {
            lines.append(StyledLine("   \(reason)", .dim))
        }
        for check in rollout?["checks"]?.array ?? [] {
            let result = check["result"]?.string ?? ""
            var line = StyledLine("   check \(check["name"]?.string ?? "")  ")
            line.add(result, result == "Passed" ? .good : result == "Failed" ? .bad : .active)
            if let message = check["message"]?.string { line.add("  \(message)", .dim) }
            lines.append(line)
        }
        return lines
    }

    /// How much of the needed evidence there is, `0...1`: the share of its logarithm, since each request multiplies it.
    private static func evidence(_ confidence: Double, rate: Double) -> Double {
        guard confidence.isFinite, confidence > 0, rate > 0, rate < 1 else { return 0 }
        return min(1, log(max(1 - confidence, 1e-300)) / log(rate))
    }

    /// In percent with one digit, rounded down.
    private static func percent(_ share: Double) -> String {
        let tenths = Int((min(max(share.isFinite ? share : 0, 0), 1) * 1000 + 1e-9).rounded(.down))
        return tenths % 10 == 0 ? "\(tenths / 10) %" : "\(tenths / 10).\(tenths % 10) %"
    }
}
