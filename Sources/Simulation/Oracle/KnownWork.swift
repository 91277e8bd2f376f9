// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How much work is in the requests of a load.
struct KnownWork: Sendable {
    /// The mean seconds of work in a request that a replica has for itself.
    private(set) var meanSeconds: Double
    /// The share of the requests, 0 to 1, that takes no longer than the objective when nobody waits.
    private(set) var fittingShare: Double

    /// What the distribution lets expect.
    init(expected settings: FleetSettings) {
        meanSeconds = settings.serviceTime.meanSeconds
        fittingShare = settings.serviceTime.share(within: settings.objectiveSeconds)
    }

    /// What a run with the same seed draws for so many requests.
    init(drawn requests: Int, settings: FleetSettings) {
        self.init(expected: settings)
        guard settings.serviceTime.shape != .deterministic, requests > 0 else { return }
        var random = FastRandom(seed: settings.seed, stream: FastRandom.serviceStream)
        let objective = Int64(settings.objectiveSeconds * 1e6)
        var sum = 0.0
        var fitting = 0
        for _ in 0..<requests {
            let work = settings.serviceTime.draw(&random)
            sum += Double(work)
            if work <= objective { fitting += 1 }
        }
        meanSeconds = sum / 1e6 / Double(requests)
        fittingShare = Double(fitting) / Double(requests)
    }
}
