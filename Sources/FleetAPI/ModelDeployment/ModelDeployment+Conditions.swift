// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The names of a ModelDeployment's conditions.
public enum ModelDeploymentCondition {
    /// Whether the model serves requests.
    public static let ready = "Ready"
    /// Whether something is still changing towards the spec.
    public static let progressing = "Progressing"
    /// Whether the replica count follows the load.
    public static let scalingActive = "ScalingActive"
    /// Whether the newest revision could be rolled out.
    public static let rolloutHealthy = "RolloutHealthy"
}
