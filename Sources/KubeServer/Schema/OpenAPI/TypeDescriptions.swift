// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Short words for `kubectl explain`: by `Type.field` where it matters, else by the field's name.
enum TypeDescriptions {
    /// What a type is; `nil` where there are no words for it.
    static func type(_ name: String) -> String? { types[shortName(name)] }

    /// What a field is; `nil` where there are no words for it.
    static func field(_ field: String, of type: String) -> String? {
        fields["\(shortName(type)).\(field)"] ?? fields[field]
    }

    private static func shortName(_ name: String) -> String {
        name.split(separator: ".").last.map(String.init) ?? name
    }

    private static let types = parse(typeWords)
    private static let fields = parse(fieldWords)

    /// Reads `name: words` lines.
    private static func parse(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            result[String(parts[0])] = String(parts[1].dropFirst())
        }
        return result
    }

    private static let typeWords = """
        ConfigMap: Configuration data that pods consume.
        Container: One process image that runs in a pod.
        ContainerPort: A port that a container listens on.
        CustomResourceDefinition: Adds a kind of object to the API.
        DaemonSet: Runs one pod on each node.
        Deployment: Keeps a number of identical pods running and replaces them gradually when their template changes.
        DeploymentSpec: What a Deployment should run, and how it replaces pods.
        DeploymentStatus: What a Deployment has running now.
        DeploymentStrategy: How old pods are replaced by new ones.
        EndpointSlice: A part of the addresses behind a Service.
        Endpoints: The addresses behind a Service, in one object.
        EnvVar: An environment variable.
        Event: Something that happened to an object.
        HorizontalPodAutoscaler: Changes the number of replicas by metrics.
        HorizontalPodAutoscalerBehavior: How fast the number of replicas may change, up and down.
        HorizontalPodAutoscalerSpec: What is scaled, by which metrics, within which bounds.
        Ingress: Routes for HTTP traffic from outside to Services.
        LabelSelector: Selects objects by their labels; all requirements must hold.
        Lease: A lock with an expiry, as leader election uses it.
        ListMeta: Metadata of a list.
        MutatingWebhookConfiguration: Webhooks that may change objects on their way into the API.
        Namespace: A scope for names.
        NetworkPolicy: What network traffic pods may have.
        Node: A machine that runs pods.
        ObjectMeta: What every object has: its name, labels, owners and versions.
        OwnerReference: An object that this one belongs to and is deleted with.
        PersistentVolumeClaim: A request for storage.
        Pod: A group of containers that run together on a node and share an address.
        PodDisruptionBudget: How many pods may be evicted at a time.
        PodSpec: What a pod runs, and how.
        PodStatus: What a pod's containers are doing now.
        PodTemplateSpec: The metadata and spec of pods that are made from it.
        Probe: A check that a container is up.
        ReplicaSet: Keeps a number of identical pods running.
        ResourceRequirements: What a container asks for, and what it may use at most.
        Role: What may be done in a namespace.
        RoleBinding: Who has a role in a namespace.
        RollingUpdateDeployment: Bounds for a rolling update.
        Scale: The number of replicas of another object.
        Secret: Configuration data that should be kept from others.
        Service: A stable address in front of pods.
        ServiceAccount: An identity for processes in pods.
        ServicePort: A port of a Service.
        ServiceSpec: Which pods a Service stands for, and by which ports.
        StatefulSet: Runs pods with stable names and storage.
        ValidatingWebhookConfiguration: Webhooks that may refuse objects on their way into the API.
        Volume: A directory that containers of a pod can mount.
        """

    private static let fieldWords = """
        accessModes: How the volume may be mounted.
        action: What was done or failed.
        affinity: Rules about the nodes and pods to be near to or far from.
        allowPrivilegeEscalation: Whether a process may gain more privileges than its parent.
        annotations: Notes for people and tools, by key; nothing selects on them.
        apiGroup: The API group of the object referred to.
        apiGroups: The API groups that the rule covers.
        apiVersion: The API group and version of this object.
        args: Arguments for the command.
        automountServiceAccountToken: Whether a token of the service account is mounted.
        availableReplicas: How many pods have been ready for long enough.
        averageUtilization: The target, in percent of what pods request, averaged over them.
        averageValue: The target for the average over pods.
        behavior: How fast the number of replicas may change.
        blockOwnerDeletion: Whether the owner waits for this object when it is deleted in the foreground.
        clusterIP: The address of the Service in the cluster; `None` for a headless one.
        command: The program to run instead of the image's own.
        conditions: The latest observations, one for each type.
        configMap: A ConfigMap whose entries become files.
        containerPort: The number of the port, from 1 to 65535.
        containers: The containers of the pod; at least one.
        controller: Whether the owner manages this object.
        creationTimestamp: When the object was created.
        currentReplicas: How many replicas there are now.
        data: The entries, by key.
        deletionTimestamp: When the object was asked to go away.
        desiredReplicas: How many replicas there should be.
        dnsPolicy: How names are resolved in the pod.
        emptyDir: A directory that lives as long as the pod.
        endpoints: The addresses.
        env: Environment variables.
        envFrom: Sources whose entries all become environment variables.
        exec: Runs a command in the container; exit code 0 is success.
        external: A metric from outside the cluster.
        failureThreshold: How many checks in a row must fail.
        finalizers: Keys that must be removed before the object goes away.
        generateName: The beginning of a name that the server completes.
        generation: Counts the changes of the spec.
        holderIdentity: Who holds the lease.
        hostPath: A directory of the node.
        httpGet: Asks for a path over HTTP; a code from 200 to 399 is success.
        image: The image to run.
        imagePullPolicy: When the image is pulled: `Always`, `IfNotPresent` or `Never`.
        initContainers: Containers that run to their end, one after the other, before the others start.
        initialDelaySeconds: How long after the start the first check runs.
        involvedObject: The object that the event is about.
        kind: The kind of this object.
        labels: Keys and values that selectors look at.
        leaseDurationSeconds: How long after its last renewal the lease expires.
        lifecycle: Actions after the start and before the end of the container.
        limits: What the container may use at most.
        livenessProbe: A check that, when it fails, restarts the container.
        managedFields: Which manager owns which fields.
        matchExpressions: Requirements on labels.
        matchLabels: Labels that must have these values.
        maxReplicas: The largest number of replicas.
        maxSurge: How many pods may exist beyond the wanted number, as a count or in percent.
        maxUnavailable: How many pods may be unavailable, as a count or in percent.
        medium: What backs the directory.
        message: A sentence for people.
        metadata: Standard metadata.
        metrics: What the number of replicas is computed from; the largest answer wins.
        minReadySeconds: How long a pod must be ready before it counts as available.
        minReplicas: The smallest number of replicas.
        mountPath: Where the volume appears in the container.
        name: The name; unique among its kind.
        namespace: The namespace.
        nodeName: The node that the pod runs on.
        nodeSelector: Labels that the node must have.
        observedGeneration: The generation of the spec that this status is about.
        operator: How the key relates to the values.
        ownerReferences: The objects that this one belongs to.
        parallelism: How many pods run at a time.
        path: A path.
        paused: Whether changes of the template are left alone for now.
        periodSeconds: How often the check runs, or over which period a policy holds.
        phase: Where the object is in its life.
        podIP: The pod's address.
        policies: What changes are allowed.
        port: A port's number, or its name where names are allowed.
        ports: The ports.
        preStop: Runs before the container is stopped.
        progressDeadlineSeconds: How long a rollout may make no progress before it is reported as failed.
        protocol: `TCP`, `UDP` or `SCTP`.
        readOnly: Whether it can't be written to.
        readinessProbe: A check that, while it fails, keeps traffic away from the pod.
        readyReplicas: How many pods are ready.
        reason: A word for programs.
        replicas: How many pods there should be, or in a status, how many there are.
        requests: What the container is guaranteed.
        resourceVersion: Identifies this state of the object; opaque.
        resources: What the container asks for and may use.
        restartPolicy: Whether containers are restarted: `Always`, `OnFailure` or `Never`.
        revisionHistoryLimit: How many old revisions are kept for a rollback.
        roleRef: The role that is granted.
        rollingUpdate: Bounds for a rolling update.
        rules: The rules.
        scaleDown: Rules for fewer replicas.
        scaleTargetRef: The object that is scaled.
        scaleUp: Rules for more replicas.
        secret: A Secret whose entries become files.
        securityContext: Users, groups and privileges.
        selectPolicy: Which policy wins: `Max`, `Min` or `Disabled`.
        selector: Selects the objects that this one is about.
        serviceAccountName: The identity of the pod's processes.
        sessionAffinity: Whether a client stays with one pod: `None` or `ClientIP`.
        spec: What is wanted.
        stabilizationWindowSeconds: Over how many seconds back the safest recommendation counts.
        startupProbe: A check that holds off the others until it has succeeded once.
        status: What is true now.
        strategy: How old pods are replaced by new ones.
        subjects: Who is granted the role.
        successThreshold: How many checks in a row must succeed.
        target: The value to keep to.
        targetPort: The port of the pod, by number or name.
        template: The template of the pods.
        terminationGracePeriodSeconds: How long the pod may take to end before it is killed.
        timeoutSeconds: After how many seconds a check counts as failed.
        tolerations: Taints of nodes that the pod puts up with.
        type: Which of several forms this has.
        uid: Unique in time and space.
        updatedReplicas: How many pods have the latest template.
        value: The value.
        valueFrom: Where the value comes from.
        verbs: What may be done.
        volumeMounts: Volumes that appear in the container's file system.
        volumes: Volumes that containers can mount.
        workingDir: The directory that the command starts in.
        DeploymentStrategy.type: `RollingUpdate` (the default) or `Recreate`.
        ServiceSpec.type: `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
        ServiceSpec.selector: Labels of the pods behind the Service.
        EnvVar.name: The name of the variable.
        Container.name: The name; unique in the pod.
        """
}
