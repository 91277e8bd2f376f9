// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Controllers
import KubeAPI
import KubeModel
import Testing

/// What is said of orders to rollouts that a person holds.
extension RolloutOrderTests {
    /// A model that a person holds, or doesn't.
    private static func held(_ phase: String, _ isPaused: Bool = true, message: String = "") -> KubeObject {
        var model = model(phase)
        model["spec", "rollout"] = ["strategy": "Canary", "paused": .bool(isPaused)]
        model["status", "rollout", "message"] = .string(message)
        return model
    }

    /// What is said of an order, or why it is refused.
    private func answer(_ body: () throws -> RolloutOrder) -> String {
        do { return try body().message } catch { return "refused: \(error)" }
    }

    @Test("resuming says what goes on by it, and is refused where nobody holds anything")
    func resumes() throws {
        let waiting = "revision 4 waits: spec.rollout.paused is true"
        let rows: [(KubeObject, String)] = [
            (Self.held("Analyzing"), "iris: the rollout goes on"),
            (Self.held("Settled", message: waiting), "iris: the rollout goes on: the new spec is rolled out"),
            (Self.held("Settled"), "iris: the rollout isn't paused any more; none is under way that could go on"),
            (Self.held("RolledBack"), "iris: the rollout isn't paused any more; none is under way that could go on"),
            (
                Self.held("RollingBack"),
                "iris: the rollout isn't paused any more; revision 4 is being rolled back all the same"
            ),
            (
                Self.held("Settled", false),
                "refused: iris: there is nothing to resume, spec.rollout.paused isn't true: no rollout is under way"
            ),
            (
                Self.held("Paused", false),
                "refused: iris: there is nothing to resume, spec.rollout.paused isn't true: its step waits, for its time or for "
                    + "`modelfleet rollout promote iris`"
            ),
            (
                Self.held("Progressing", false),
                "refused: iris: there is nothing to resume, spec.rollout.paused isn't true: revision 4 is under way "
                    + "(phase Progressing)"
            ),
        ]
        for (model, text) in rows { #expect(answer { try .resume(model) } == text) }
        let order = try RolloutOrder.resume(Self.held("Analyzing"))
        #expect(order.patch == .merge(["spec": ["rollout": ["paused": false]]]))
        var retried = Self.held("RolledBack")
        retried.setAnnotation(RolloutOrder.annotation, to: "retry 4/1 n")
        #expect(answer { try .resume(retried) } == "iris: the rollout goes on: revision 4 is tried again")
        retried["status", "rollout", "handledRequest"] = "retry 4/1 n"
        #expect(answer { try .resume(retried) }.contains("none is under way"))
    }

    @Test("pausing says what goes on all the same")
    func pauses() {
        func message(_ model: KubeObject) -> String { RolloutOrder.pause(model).message }
        #expect(message(Self.held("Analyzing", false)).hasSuffix("is paused; the judge goes on watching the canary"))
        #expect(message(Self.held("Paused")).contains(" is paused already; "))
        #expect(message(Self.held("RollingBack")).hasSuffix("; revision 4 is being rolled back all the same"))
        #expect(message(Self.held("Settled", false)).hasSuffix("; none is under way, and a new spec will wait"))
        var plain = Self.held("Progressing", false)
        plain["spec", "rollout", "strategy"] = "RollingUpdate"
        #expect(message(plain).hasSuffix("; revision 4 takes nothing over meanwhile"), "nobody judges it")
    }

    @Test("what is past its last step isn't promoted again, whatever it waits for")
    func promotesOnce() {
        var waiting = Self.held("Paused")
        waiting["status", "rollout", "stepIndex"] = 6
        var failed = Self.held("Failed", false)
        failed["status", "rollout", "stepIndex"] = 0
        failed["status", "rollout", "stepCount"] = 0
        for isFull in [false, true] {
            #expect(
                answer { try .promote(waiting, isFull: isFull, nonce: "n") }
                    == "refused: iris: revision 4 is being promoted already; it goes on with `modelfleet rollout resume iris`"
            )
            #expect(
                answer { try .promote(failed, isFull: isFull, nonce: "n") }
                    == "refused: iris: revision 4 is being promoted already; watch it with `modelfleet rollout status iris -w`"
            )
        }
    }

    @Test("what a paused rollout does only once it is resumed is said")
    func waits() throws {
        let wait = "`modelfleet rollout resume iris`, since spec.rollout.paused is true"
        for isFull in [false, true] {
            let order = try RolloutOrder.promote(Self.held("Analyzing"), isFull: isFull, nonce: "n")
            #expect(order.message.hasSuffix("; it gets no further before \(wait)"))
        }
        #expect(try RolloutOrder.retry(Self.held("RolledBack"), nonce: "n").message.hasSuffix("; it waits for \(wait)"))
        #expect(try !RolloutOrder.abort(Self.held("Analyzing"), nonce: "n").message.contains("resume"))
        let revisions = [kept(1), kept(3)]
        let back = try RolloutUndo.order(Self.held("Settled"), revisions: revisions, to: 1)
        #expect(back.message.hasSuffix("; it waits for \(wait)"))
        // The stable spec ends a rollout at once; that of a new spec that waits is what there is to undo.
        let waiting = Self.held("Settled", message: "revision 4 waits: spec.rollout.paused is true")
        for model in [Self.held("Analyzing"), waiting] {
            let order = try RolloutUndo.order(model, revisions: revisions, to: nil)
            #expect(order.message == "iris: back to the spec of revision 3")
        }
    }
}
