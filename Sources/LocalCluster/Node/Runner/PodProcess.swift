// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What is needed to start a process.
public struct ProcessRequest: Sendable, Hashable {
    /// The path of the executable, absolute or relative to the working directory.
    public var executable: String
    /// The arguments after the executable.
    public var arguments: [String]
    /// The whole environment; nothing is inherited.
    public var environment: [String: String]
    /// The working directory.
    public var directory: String

    /// A request.
    public init(executable: String, arguments: [String], environment: [String: String], directory: String) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
    }
}

/// How a process ended.
public enum ProcessExit: Sendable, Hashable {
    /// It returned this code, 0 to 255.
    case code(Int)
    /// This signal killed it.
    case signal(Int)

    /// The exit code as Kubernetes shows it: 128 plus the number of a signal.
    public var exitCode: Int {
        switch self {
        case .code(let code): code
        case .signal(let number): 128 + number
        }
    }
}

/// A signal that the node sends.
public enum ProcessSignal: Sendable, Hashable {
    /// `SIGTERM`
    case terminate
    /// `SIGKILL`
    case kill
}

/// A running process with its group.
public protocol PodProcess: Sendable {
    /// Sends a signal to the whole group; nothing happens when it has ended.
    func send(_ signal: ProcessSignal)
    /// Waits until the process has ended and its output has been read; the rest of its group is killed then.
    func waitForExit() async -> ProcessExit
    /// The number of the process group that it leads; `nil` for one that only pretends.
    var group: Int32? { get }
}

extension PodProcess {
    /// None.
    public var group: Int32? { nil }
}

/// Starts processes.
public protocol PodProcessSpawner: Sendable {
    /// Starts a process whose output goes to `output` as it comes.
    /// - Throws: `LocalClusterError` when it can't be started.
    func spawn(_ request: ProcessRequest, output: @escaping @Sendable ([UInt8]) -> Void) async throws -> any PodProcess
}
