// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension ComparisonCase {
    /// The most requests that are replayed.
    public static let requestLimit = 200_000_000.0

    /// The case of a recorded load, multiplied by `factor`.
    /// - Throws: when that makes more than 200 million requests, or none.
    public init(
        replaying trace: ArrivalTrace,
        scaledBy factor: Double,
        settings: FleetSettings,
        model: ModelScaling? = nil
    ) throws(TraceError) {
        let expected = trace.requests * factor
        guard expected <= Self.requestLimit else {
            throw TraceError(description: "\(trace.name): more than 200 million requests; use --scale to take a share")
        }
        let plan = trace.plan(scaledBy: factor, seed: settings.seed)
        self.init(name: trace.name, settings: settings, plan: plan, model: model)
        scale = factor
        intervalSeconds = trace.binSeconds
        guard requests > 0 else {
            throw TraceError(
                description: "\(trace.name): no request is left of \(Decimal.text(trace.requests, 0)) at a scale of "
                    + "\(factor); use a larger --scale or another --seed"
            )
        }
    }
}
