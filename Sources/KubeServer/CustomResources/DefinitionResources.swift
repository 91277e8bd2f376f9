// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Makes resources of a custom resource definition.
enum DefinitionResources {
    /// One resource for each served version; empty while the definition isn't established.
    static func resources(of definition: KubeObject) -> [APIResource] {
        resources(of: definition) { $0["served"]?.bool != false }
    }

    /// The resource of the version that objects are stored in, whether it is served or not.
    static func storedResource(of definition: KubeObject) -> APIResource? {
        resources(of: definition) { $0["storage"]?.bool == true }.first
    }

    private static func resources(
        of definition: KubeObject,
        where isIncluded: (JSONValue) -> Bool
    ) -> [APIResource] {
        guard isEstablished(definition), let names = definition.json.at("spec", "names"),
            let group = definition["spec", "group"]?.string, let kind = names["kind"]?.string,
            let plural = names["plural"]?.string
        else { return [] }
        let isNamespaced = definition["spec", "scope"]?.string != "Cluster"
        return (definition["spec", "versions"]?.array ?? []).filter(isIncluded).compactMap { version in
            guard let name = version["name"]?.string, let schemaJSON = version.at("schema", "openAPIV3Schema"),
                let schema = try? StructuralSchema(parsing: schemaJSON)
            else { return nil }
            var resource = APIResource(
                type: ResourceType(
                    group: group,
                    version: name,
                    kind: kind,
                    plural: plural,
                    isNamespaced: isNamespaced
                ),
                storage: StoredKind(group: group, plural: plural),
                singular: names["singular"]?.string ?? kind.lowercased(),
                listKind: names["listKind"]?.string ?? kind + "List"
            )
            resource.shortNames = (names["shortNames"]?.array ?? []).compactMap(\.string)
            resource.categories = (names["categories"]?.array ?? []).compactMap(\.string)
            resource.verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
            resource.hasStatus = version.at("subresources", "status") != nil
            resource.tracksGeneration = true
            resource.scale = version.at("subresources", "scale").flatMap(scale)
            resource.selectableFields = (version["selectableFields"]?.array ?? [])
                .compactMap { $0["jsonPath"]?.string.map { String($0.drop { $0 == "." }) } }
            resource.custom = CustomVersion(
                schema: schema,
                columns: version["additionalPrinterColumns"]?.array ?? []
            )
            resource.custom?.isTerminating = definition.isBeingDeleted
            return resource
        }
    }

    /// Whether the definition's names were accepted and it is served.
    static func isEstablished(_ definition: KubeObject) -> Bool {
        (definition["status", "conditions"]?.array ?? [])
            .contains { $0["type"]?.string == "Established" && $0["status"]?.string == "True" }
    }

    private static func scale(_ json: JSONValue) -> APIResource.Scale? {
        guard let spec = json["specReplicasPath"]?.string, let status = json["statusReplicasPath"]?.string
        else { return nil }
        return APIResource.Scale(
            specPath: path(spec),
            statusPath: path(status),
            selectorPath: json["labelSelectorPath"]?.string.map(path)
        )
    }

    private static func path(_ text: String) -> [String] { text.split(separator: ".").map(String.init) }
}
