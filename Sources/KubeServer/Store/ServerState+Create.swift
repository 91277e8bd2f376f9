// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

extension ServerState {
    /// Creates an object of `resource`.
    ///
    /// `isApplied` says that its managed fields were computed by server-side apply already.
    mutating func create(
        _ resource: APIResource,
        namespace: String?,
        _ body: KubeObject,
        options: WriteOptions,
        isApplied: Bool = false
    ) throws(APIStatus) -> WriteOutcome {
        try requireOpenDefinition(resource)
        var object = body
        if object.resourceVersion.map({ !$0.isEmpty }) == true {
            throw .plain("resourceVersion should not be set on objects to be created")
        }
        try place(&object, resource, namespace: namespace)
        try requireOpenNamespace(resource, object)
        try name(&object, resource)
        startMetadata(&object, resource, keepsManagedFields: isApplied)
        startStatus(&object, resource)
        object = defaulted(object, resource)
        // Until its names are judged a definition has no conditions, which the server writes as null.
        if resource.storage == .definitions { object["status", "conditions"] = .null }
        try refuse(ObjectRules.creating(object, resource), object, resource)
        var outcome = try reviewed(
            AdmissionRequest(
                operation: .create,
                resource: resource.type,
                object: object,
                dryRun: options.dryRun
            ),
            resource
        )
        if store.object(resource.storage, object.key) != nil {
            throw .alreadyExists(resource.storage, object.name)
        }
        outcome.isNew = true
        if !isApplied { recordFields(&outcome.object, resource, body: body, manager: options.manager) }
        try requireReadable(outcome.object, resource)
        if resource.storage == .definitions { outcome.warnings += DefinitionRules.warnings(outcome.object) }
        if resource.storage == .services {
            let before = addresses
            try addresses.allocate(&outcome.object)
            if options.dryRun { addresses = before }
        }
        guard !options.dryRun else { return outcome }
        outcome.stored = put(resource.storage, object.key, resource.toStorage(outcome.object))
        outcome.object.resourceVersion = String(store.revision)
        if resource.storage == .definitions { acceptDefinition(named: object.name) }
        return outcome
    }

    /// The managed fields of a resource or subresource.
    func fields(_ resource: APIResource, _ subresource: String?) -> FieldManagement {
        FieldManagement(
            schema: TypeSchema.of(resource),
            type: resource.type,
            subresource: subresource,
            hasStatus: resource.hasStatus
        )
    }

    /// Members that the server fills in without anyone owning them.
    private static let unowned = ["priority", "preemptionPolicy", "tolerations"]

    /// Notes who owns the fields of a new object.
    private func recordFields(_ object: inout KubeObject, _ resource: APIResource, body: KubeObject, manager: String) {
        var owned = object
        if resource.storage == .pods {
            for member in Self.unowned where body["spec", member] == nil { owned["spec", member] = nil }
        }
        if resource.storage.plural == "events" {
            owned.json = owned.json.object.map { .object($0.filter { _, value in !value.isNull }) } ?? owned.json
        }
        let managed = fields(resource, nil)
            .update(live: nil, new: owned.json, manager: manager, now: configuration.time.now())
        object["metadata", "managedFields"] = managed.at("metadata", "managedFields")
    }

    /// Puts the object into the namespace of the path.
    func place(_ object: inout KubeObject, _ resource: APIResource, namespace: String?) throws(APIStatus) {
        guard resource.type.isNamespaced else {
            object.namespace = nil
            return
        }
        let own = object.namespace ?? ""
        if !own.isEmpty, own != namespace {
            throw .badRequest("the namespace of the provided object does not match the namespace sent on the request")
        }
        object.namespace = namespace
    }

    /// Asks the admission plugins.
    func reviewed(_ request: AdmissionRequest, _ resource: APIResource) throws(APIStatus) -> WriteOutcome {
        var request = request
        var warnings: [String] = []
        for plugin in configuration.admission {
            let answer = try plugin.review(request)
            request.object = answer.object
            warnings += answer.warnings
        }
        return WriteOutcome(object: request.object, warnings: warnings)
    }

    /// The object with the defaults of its kind.
    func defaulted(_ object: KubeObject, _ resource: APIResource) -> KubeObject {
        if let custom = resource.custom { return KubeObject(custom.defaults.completing(object.json)) }
        let result = KubeObject(BuiltInDefaults.applying(to: object.json, type: resource.type))
        return resource.storage == .definitions ? DefinitionRules.defaulted(result) : result
    }

    /// Refuses an object that couldn't be read back: defaults can nest one deeper than its request was.
    func requireReadable(_ object: KubeObject, _ resource: APIResource) throws(APIStatus) {
        guard object.json.isNested(deeperThan: StoredObject.maximumDepth) else { return }
        let why = "is nested more than \(StoredObject.maximumDepth) levels deep; make it flatter"
        try refuse([APIStatus.Cause(reason: "FieldValueInvalid", message: why, field: "")], object, resource)
    }

    /// Throws 422 when anything is wrong.
    func refuse(_ causes: [APIStatus.Cause], _ object: KubeObject, _ resource: APIResource) throws(APIStatus) {
        guard !causes.isEmpty else { return }
        throw .invalid(group: resource.type.group, kind: resource.type.kind, name: object.name, causes: causes)
    }

    private func requireOpenNamespace(_ resource: APIResource, _ object: KubeObject) throws(APIStatus) {
        guard let namespace = object.namespace else { return }
        guard let found = store.object(.namespaces, ObjectKey(namespace: nil, name: namespace)) else {
            throw .notFound(.namespaces, namespace)
        }
        guard found.object.isBeingDeleted else { return }
        let why = "namespace \(namespace) is being terminated"
        throw .forbidden(
            resource.storage,
            object.name,
            "unable to create new content in namespace \(namespace) because it is being terminated",
            causes: [.init(reason: "NamespaceTerminating", message: why, field: "metadata.namespace")]
        )
    }

    /// Refuses a custom resource whose definition is gone or going: it would have to wait for the new object.
    private func requireOpenDefinition(_ resource: APIResource) throws(APIStatus) {
        guard resource.isCustom else { return }
        let type = resource.type
        let current = registry.resource(group: type.group, version: type.version, plural: type.plural)
        guard let custom = current?.custom else { throw .unknownResource }
        guard custom.isTerminating else { return }
        var status = APIStatus.methodNotAllowed
        status.message = "create not allowed while custom resource definition is terminating"
        (status.group, status.kind) = (type.group, type.plural)
        throw status
    }

    private func name(_ object: inout KubeObject, _ resource: APIResource) throws(APIStatus) {
        guard object.name.isEmpty else { return }
        guard let prefix = object["metadata", "generateName"]?.string, !prefix.isEmpty else {
            let missing = APIStatus.Cause.required("metadata.name", "name or generateName is required")
            var status = APIStatus.invalid(
                group: resource.type.group,
                kind: resource.type.kind,
                name: "",
                causes: [missing]
            )
            status.name = nil
            throw status
        }
        // The server cuts long prefixes so that the name stays a label (63 characters).
        for _ in 0..<8 {
            object.name = String(prefix.prefix(58)) + configuration.random.nameSuffix()
            if store.object(resource.storage, object.key) == nil { return }
        }
    }

    private func startMetadata(_ object: inout KubeObject, _ resource: APIResource, keepsManagedFields: Bool) {
        object.json["apiVersion"] = .string(resource.type.apiVersion)
        object.json["kind"] = .string(resource.type.kind)
        for member in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"] {
            object["metadata", member] = nil
        }
        if !keepsManagedFields { object["metadata", "managedFields"] = nil }
        Self.dropEmptyMetadata(of: &object)
        object["metadata", "uid"] = .string(configuration.random.uuid())
        object["metadata", "creationTimestamp"] = timestamp
        if resource.tracksGeneration || resource.isCustom { object["metadata", "generation"] = 1 }
    }

    private func startStatus(_ object: inout KubeObject, _ resource: APIResource) {
        guard resource.hasStatus else { return }
        switch resource.storage {
        case .nodes: break
        case .namespaces:
            object["status"] = ["phase": "Active"]
            object["spec", "finalizers"] = ["kubernetes"]
            object["metadata", "labels", "kubernetes.io/metadata.name"] = .string(object.name)
        // Its quality of service is a default: requests and limits are compared in their canonical form.
        case .pods: object["status"] = ["phase": "Pending"]
        case .definitions: object["status"] = DefinitionRules.initialStatus(object)
        default: object["status"] = nil
        }
    }
}

extension TypeSchema {
    /// The schema of a resource's objects.
    static func of(_ resource: APIResource) -> TypeSchema {
        if let custom = resource.custom { return custom.types }
        return builtIn(resource.type) ?? .custom(nil)
    }
}
