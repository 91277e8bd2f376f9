// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Controllers
import FleetAPI
import KubeModel
import KubeServer

/// Our validation as an admission plugin of the embedded API server: what a webhook does in a real cluster.
struct FleetAdmission: AdmissionPlugin {
    /// Lets everything pass but invalid objects of ours; warnings reach the client.
    func review(_ request: AdmissionRequest) throws(APIStatus) -> AdmissionResponse {
        guard request.subresource == nil, request.operation != .delete else {
            return AdmissionResponse(object: request.object)
        }
        var findings: ValidationFindings
        switch request.resource {
        case .modelDeployments:
            findings = ModelDeploymentValidation.validate(request.object.json)
            findings.warnings += ModelDeployment(request.object).zoneWarnings
        case .servingRuntimes: findings = ServingRuntimeValidation.validate(request.object.json)
        default: return AdmissionResponse(object: request.object)
        }
        guard findings.errors.isEmpty else {
            let list = findings.errors.map { "\($0.field): \($0.message)" }.joined(separator: ", ")
            throw APIStatus(
                code: 422,
                reason: "Invalid",
                message:
                    "\(request.resource.kind).\(request.resource.group) \"\(request.object.name)\" is invalid: \(list)",
                name: request.object.name,
                group: request.resource.group,
                kind: request.resource.kind,
                causes: findings.errors
            )
        }
        return AdmissionResponse(object: request.object, warnings: findings.warnings)
    }
}
