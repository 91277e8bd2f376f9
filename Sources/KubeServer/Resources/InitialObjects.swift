// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension ServerState {
    /// Creates what every cluster has from its start: four namespaces and the Service of the API itself.
    mutating func addInitialObjects() {
        let options = WriteOptions(manager: "kube-apiserver")
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            create(.namespaces, namespace: nil, KubeObject(.namespaces, namespace: nil, name: name), options)
        }
        addOwnService()
        guard let authority = configuration.frontProxyAuthority else { return }
        var map = KubeObject(.configMaps, namespace: "kube-system", name: "extension-apiserver-authentication")
        map["data"] = [
            "requestheader-client-ca-file": .string(authority),
            "requestheader-allowed-names": .string("[\"\(FrontProxy.commonName)\"]"),
            "requestheader-username-headers": .string("[\"\(FrontProxy.userHeader)\"]"),
            "requestheader-uid-headers": .string("[\"\(FrontProxy.uidHeader)\"]"),
            "requestheader-group-headers": .string("[\"\(FrontProxy.groupHeader)\"]"),
            "requestheader-extra-headers-prefix": .string("[\"\(FrontProxy.extraPrefix)\"]"),
        ]
        create(.configMaps, namespace: "kube-system", map, options)
    }

    /// The Service of the API itself.
    static let ownService = ObjectKey(namespace: "default", name: "kubernetes")

    /// Creates the Service of the API itself, with this address or any.
    mutating func addOwnService(address: String? = nil) {
        var service = KubeObject(.services, namespace: Self.ownService.namespace, name: Self.ownService.name)
        service.labels = ["component": "apiserver", "provider": "kubernetes"]
        service["spec"] = [
            "type": "ClusterIP",
            "ports": [
                [
                    "name": "https", "port": 443, "protocol": "TCP",
                    "targetPort": JSONValue(configuration.advertisedPort),
                ]
            ],
        ]
        if let address { service["spec", "clusterIP"] = .string(address) }
        create(.services, namespace: service.namespace, service, WriteOptions(manager: "kube-apiserver"))
    }

    private mutating func create(
        _ type: ResourceType,
        namespace: String?,
        _ object: KubeObject,
        _ options: WriteOptions
    ) {
        guard let resource = registry.resource(group: type.group, version: type.version, plural: type.plural)
        else { return }
        // Nothing can be wrong with these objects; should an admission plugin refuse one, the cluster starts without it.
        _ = try? create(resource, namespace: namespace, object, options: options)
    }
}
