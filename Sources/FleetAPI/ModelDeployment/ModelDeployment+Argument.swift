// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension ModelDeployment {
    /// The words by which `kubectl` knows the type; with the group, or version and group, behind them they are known, too.
    private static let words: Set<String> = ["mdep", "modeldeployment", "modeldeployments"]

    /// The model's name in an argument of a command: `iris`, or as `kubectl` prints and takes it, `mdep/iris` and
    /// `modeldeployment.modelfleet.dev/iris`. Anything else is left as it is.
    public static func name(inArgument argument: String) -> String {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty else { return argument }
        let type = parts[0].lowercased().split(separator: ".", maxSplits: 1)
        let suffixes = [FleetAPI.group, "\(FleetAPI.version).\(FleetAPI.group)"]
        guard let word = type.first, words.contains(String(word)), type.count == 1 || suffixes.contains(String(type[1]))
        else { return argument }
        return String(parts[1])
    }
}
