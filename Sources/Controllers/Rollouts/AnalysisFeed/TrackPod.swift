// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts
import Telemetry

/// What the analysis must know of a pod beside its page.
struct TrackPod: Sendable, Hashable {
    /// The pod's name.
    var name: String
    /// What changes when a container starts anew: the pod's UID and the restarts of its containers.
    var incarnation: String
    /// Since when the pod is ready; `nil` while it isn't.
    var readySince: WallTime?

    /// A pod.
    init(name: String, incarnation: String = "", readySince: WallTime?) {
        self.name = name
        self.incarnation = incarnation
        self.readySince = readySince
    }

    /// Reads a pod's object. One whose `Ready` condition has no time counts as ready since its start.
    init(_ pod: KubeObject) {
        name = pod.name
        let statuses = pod["status", "containerStatuses"]?.array ?? []
        let restarts = statuses.reduce(0) { $0 &+ ($1["restartCount"]?.int ?? 0) }
        incarnation = "\(pod.uid ?? "")/\(restarts)"
        guard PodDiagnosis.isReady(pod) else { return }
        let since = PodDiagnosis.condition(pod, "Ready").flatMap(Condition.init)?.lastTransitionTime
        readySince = since ?? pod["status", "startTime"]?.string.flatMap(WallTime.init(rfc3339:))
    }
}

/// The categories of outputs that the judge compares: a fixed number, so that every pod, every track and every later process
/// means the same by the same number without remembering anything.
enum OutputCategories {
    /// How many there are; half of what the judge takes.
    static let count = 16

    /// The number of a category: its own where it is a class number below `count`, otherwise by a hash of its name (FNV-1a), where two
    /// names may meet.
    static func number(of name: String) -> Int {
        if let number = Int(name), (0..<count).contains(number) { return number }
        let hash = name.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return Int(hash % UInt64(count))
    }

    /// What the categories of these names are called, by number: where names meet, as many as find room.
    static func names(_ outputs: Set<String>) -> [String] {
        var names = [String](repeating: "", count: count)
        for name in outputs.sorted() {
            let number = number(of: name)
            let text = PrintableText.line(name, limit: mostCharacters)
            let both = names[number].isEmpty ? text : "\(names[number]), \(text)"
            if both.count <= 2 * mostCharacters { names[number] = both }
        }
        return names
    }

    /// The most characters of a category's name in a sentence.
    private static let mostCharacters = 40

    /// The counts by number.
    static func counts(_ outputs: [String: Double]) -> [Double] {
        var counts = [Double](repeating: 0, count: count)
        for (name, value) in outputs { counts[number(of: name)] += value }
        return counts
    }
}
