// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import LocalCluster
import ServiceLifecycle

/// Writes a local cluster's kubeconfig once the cluster listens, and says so.
///
/// Nobody can use a cluster without it: where it can't be written, the program ends.
struct KubeconfigService: Service {
    /// The kubeconfig.
    let file: KubeconfigFile
    /// The certificate authority as PEM text.
    let authority: String
    /// The bearer token.
    let token: String
    /// Gets the port once there is one.
    let ports: AsyncStream<Int>

    /// Waits for the port, then for the end of the program.
    /// - Throws: `CommandFailure` when the file can't be written.
    func run() async throws {
        for await port in ports.cancelOnGracefulShutdown() {
            do {
                // The kubeconfig appears once everything is there that its user may ask for.
                try file.write(
                    ClusterAccess(server: "https://127.0.0.1:\(port)", authority: authority, token: token)
                )
            } catch {
                throw CommandFailure("\(error); name another file with --kubeconfig")
            }
            print("The local cluster listens on https://127.0.0.1:\(port). To use it:")
            print("  export KUBECONFIG=\(URL(fileURLWithPath: file.path).path)")
            fflush(nil)
        }
    }
}
