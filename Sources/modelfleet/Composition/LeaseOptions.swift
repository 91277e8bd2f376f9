// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import KubeRuntime

/// The flags about several operators side by side; named as those of Kubernetes' own components.
struct LeaseOptions: ParsableArguments {
    @Flag(help: "Act only while holding a Lease, so that several copies may run.")
    var leaderElect = false

    @Option(help: "Split the models over the copies in so many shards, each with a Lease; 1 for one copy that acts.")
    var shards = 1

    @Option(help: "The namespace of the Leases; by default the kubeconfig's or the pod's own.")
    var leaseNamespace: String?

    @Option(help: "After how long without a renewal another copy may act.")
    var leaderElectLeaseDuration = DurationArgument(seconds: 15)

    @Option(help: "After how long without a renewal the holder of a Lease stops acting; below the lease duration.")
    var leaderElectRenewDeadline = DurationArgument(seconds: 10)

    @Option(help: "How often Leases are renewed or looked at; below the renew deadline.")
    var leaderElectRetryPeriod = DurationArgument(seconds: 2)

    /// The most shards: each is a write every retry period.
    private static let mostShards = 256

    mutating func validate() throws {
        guard (1...Self.mostShards).contains(shards) else {
            throw ValidationError("--shards must be 1 to \(Self.mostShards)")
        }
        let (lease, renew) = (leaderElectLeaseDuration.duration, leaderElectRenewDeadline.duration)
        guard renew < lease else {
            throw ValidationError("--leader-elect-renew-deadline must be below --leader-elect-lease-duration")
        }
        // A try may begin a fifth late.
        guard leaderElectRetryPeriod.duration * 6 / 5 < renew else {
            throw ValidationError(
                "--leader-elect-retry-period must be below --leader-elect-renew-deadline, by a fifth of itself at least"
            )
        }
    }

    /// The timing.
    var timing: LeaseTiming {
        LeaseTiming(
            leaseDuration: leaderElectLeaseDuration.duration,
            renewDeadline: leaderElectRenewDeadline.duration,
            retryPeriod: leaderElectRetryPeriod.duration
        )
    }
}
