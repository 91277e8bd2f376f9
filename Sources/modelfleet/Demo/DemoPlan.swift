// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What the demo does, as told on the command line.
struct DemoPlan: Sendable {
    /// The file with the ModelDeployment.
    var model: String
    /// The file with the model.
    var modelFile: String
    /// Requests per second at the peak.
    var rate: Double
    /// Seconds of load.
    var loadSeconds: Double
    /// Whether it stays afterwards.
    var holds: Bool

    /// The replicas that the load must have brought up for the demo to count as a success.
    static let expectedPeak = 4
    /// How long each step may take before the demo gives up.
    static let stepLimit: Duration = .seconds(90)
}
