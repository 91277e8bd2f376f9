// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension TypeDefinitions {
    /// Core types, the first half of the alphabet.
    static let core1 = #"""
        package io.k8s.api.core.v1
        Affinity
          nodeAffinity NodeAffinity; podAffinity PodAffinity; podAntiAffinity PodAntiAffinity
        AppArmorProfile
          localhostProfile string; type! string
        AttachedVolume
          devicePath! string; name! string
        CSIVolumeSource
          driver! string; fsType string; nodePublishSecretRef LocalObjectReference; readOnly bool
          volumeAttributes {string}
        Capabilities
          add [string] atomic; drop [string] atomic
        ClientIPConfig
          timeoutSeconds int32
        ClusterTrustBundleProjection
          labelSelector meta.LabelSelector; name string; optional bool; path! string; signerName string
        ConfigMap kind
          binaryData {bytes}; data {string}; immutable bool
        ConfigMapEnvSource
          name string; optional bool
        ConfigMapKeySelector atomic
          key! string; name string; optional bool
        ConfigMapNodeConfigSource
          kubeletConfigKey! string; name! string; namespace! string; resourceVersion string; uid string
        ConfigMapProjection
          items [KeyToPath] atomic; name string; optional bool
        ConfigMapVolumeSource
          defaultMode int32; items [KeyToPath] atomic; name string; optional bool
        Container
          args [string] atomic; command [string] atomic; env [EnvVar] map(name) merge(name)
          envFrom [EnvFromSource] atomic; image string; imagePullPolicy string; lifecycle Lifecycle
          livenessProbe Probe; name! string; ports [ContainerPort] map(containerPort,protocol) merge(containerPort)
          readinessProbe Probe; resizePolicy [ContainerResizePolicy] atomic; resources ResourceRequirements ~
          restartPolicy string; restartPolicyRules [ContainerRestartRule] atomic; securityContext SecurityContext
          startupProbe Probe; stdin bool; stdinOnce bool; terminationMessagePath string
          terminationMessagePolicy string; tty bool; volumeDevices [VolumeDevice] map(devicePath) merge(devicePath)
          volumeMounts [VolumeMount] map(mountPath) merge(mountPath); workingDir string
        ContainerExtendedResourceRequest
          containerName! string; requestName! string; resourceName! string
        ContainerImage
          names [string] atomic; sizeBytes int64
        ContainerPort
          containerPort! int32; hostIP string; hostPort int32; name string; protocol string default("TCP")
        ContainerResizePolicy
          resourceName! string; restartPolicy! string
        ContainerRestartRule
          action! string; exitCodes ContainerRestartRuleOnExitCodes
        ContainerRestartRuleOnExitCodes
          operator! string; values [int32] set
        ContainerState
          running ContainerStateRunning; terminated ContainerStateTerminated; waiting ContainerStateWaiting
        ContainerStateRunning
          startedAt time
        ContainerStateTerminated
          containerID string; exitCode! int32; finishedAt time; message string; reason string; signal int32
          startedAt time
        ContainerStateWaiting
          message string; reason string
        ContainerStatus
          allocatedResources {quantity}; allocatedResourcesStatus [ResourceStatus] map(name) merge(name)
          containerID string; image! string; imageID! string; lastState ContainerState ~; name! string; ready! bool
          resources ResourceRequirements; restartCount! int32; started bool; state ContainerState ~
          stopSignal string; user ContainerUser; volumeMounts [VolumeMountStatus] map(mountPath) merge(mountPath)
        ContainerUser
          linux LinuxContainerUser
        DaemonEndpoint
          Port! int32
        DownwardAPIProjection
          items [DownwardAPIVolumeFile] atomic
        DownwardAPIVolumeFile
          fieldRef ObjectFieldSelector; mode int32; path! string; resourceFieldRef ResourceFieldSelector
        DownwardAPIVolumeSource
          defaultMode int32; items [DownwardAPIVolumeFile] atomic
        EmptyDirVolumeSource
          medium string; sizeLimit quantity
        EndpointAddress atomic
          hostname string; ip! string; nodeName string; targetRef ObjectReference
        EndpointPort atomic
          appProtocol string; name string; port! int32; protocol string
        EndpointSubset
          addresses [EndpointAddress] atomic; notReadyAddresses [EndpointAddress] atomic
          ports [EndpointPort] atomic
        Endpoints kind
          subsets [EndpointSubset] atomic
        EnvFromSource
          configMapRef ConfigMapEnvSource; prefix string; secretRef SecretEnvSource
        EnvVar
          name! string; value string; valueFrom EnvVarSource
        EnvVarSource
          configMapKeyRef ConfigMapKeySelector; fieldRef ObjectFieldSelector; fileKeyRef FileKeySelector
          resourceFieldRef ResourceFieldSelector; secretKeyRef SecretKeySelector
        EphemeralContainer
          args [string] atomic; command [string] atomic; env [EnvVar] map(name) merge(name)
          envFrom [EnvFromSource] atomic; image string; imagePullPolicy string; lifecycle Lifecycle
          livenessProbe Probe; name! string; ports [ContainerPort] map(containerPort,protocol) merge(containerPort)
          readinessProbe Probe; resizePolicy [ContainerResizePolicy] atomic; resources ResourceRequirements ~
          restartPolicy string; restartPolicyRules [ContainerRestartRule] atomic; securityContext SecurityContext
          startupProbe Probe; stdin bool; stdinOnce bool; targetContainerName string; terminationMessagePath string
          terminationMessagePolicy string; tty bool; volumeDevices [VolumeDevice] map(devicePath) merge(devicePath)
          volumeMounts [VolumeMount] map(mountPath) merge(mountPath); workingDir string
        EphemeralVolumeSource
          volumeClaimTemplate PersistentVolumeClaimTemplate
        Event
          action string; apiVersion string; count int32; eventTime microTime; firstTimestamp time
          involvedObject! ObjectReference ~; kind string; lastTimestamp time; message string
          metadata! meta.ObjectMeta ~; reason string; related ObjectReference; reportingComponent string
          reportingInstance string; series EventSeries; source EventSource ~; type string
        EventSeries
          count int32; lastObservedTime microTime
        EventSource
          component string; host string
        ExecAction
          command [string] atomic
        FileKeySelector atomic
          key! string; optional bool; path! string; volumeName! string
        GRPCAction
          port! int32; service string
        HTTPGetAction
          host string; httpHeaders [HTTPHeader] atomic; path string; port! intOrString; scheme string
        HTTPHeader
          name! string; value! string
        HostAlias
          hostnames [string] atomic; ip! string
        HostIP
          ip! string
        HostPathVolumeSource
          path! string; type string
        ImageVolumeSource
          pullPolicy string; reference string
        ImageVolumeStatus
          imageRef! string
        KeyToPath
          key! string; mode int32; path! string
        Lifecycle
          postStart LifecycleHandler; preStop LifecycleHandler; stopSignal string
        LifecycleHandler
          exec ExecAction; httpGet HTTPGetAction; sleep SleepAction; tcpSocket TCPSocketAction
        LinuxContainerUser
          gid! int64; supplementalGroups [int64] atomic; uid! int64
        LoadBalancerIngress
          hostname string; ip string; ipMode string; ports [PortStatus] atomic
        LoadBalancerStatus
          ingress [LoadBalancerIngress] atomic
        LocalObjectReference atomic
          name string
        ModifyVolumeStatus
          status! string; targetVolumeAttributesClassName string
        NFSVolumeSource
          path! string; readOnly bool; server! string
        Namespace kind
          spec NamespaceSpec ~; status NamespaceStatus ~
        NamespaceCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        NamespaceSpec
          finalizers [string] atomic
        NamespaceStatus
          conditions [NamespaceCondition] map(type) merge(type); phase string
        Node kind
          spec NodeSpec ~; status NodeStatus ~
        NodeAddress
          address! string; type! string
        NodeAffinity
          preferredDuringSchedulingIgnoredDuringExecution [PreferredSchedulingTerm] atomic
          requiredDuringSchedulingIgnoredDuringExecution NodeSelector
        NodeAllocatableResourceClaimStatus
          containers [string] set; resourceClaimName! string; resources! {quantity}
        NodeCondition
          lastHeartbeatTime time; lastTransitionTime time; message string; reason string; status! string
          type! string
        NodeConfigSource
          configMap ConfigMapNodeConfigSource
        NodeConfigStatus
          active NodeConfigSource; assigned NodeConfigSource; error string; lastKnownGood NodeConfigSource
        NodeDaemonEndpoints
          kubeletEndpoint DaemonEndpoint ~
        NodeFeatures
          supplementalGroupsPolicy bool
        NodeRuntimeHandler
          features NodeRuntimeHandlerFeatures; name string
        NodeRuntimeHandlerFeatures
          recursiveReadOnlyMounts bool; userNamespaces bool
        NodeSelector atomic
          nodeSelectorTerms! [NodeSelectorTerm] atomic
        NodeSelectorRequirement
          key! string; operator! string; values [string] atomic
        NodeSelectorTerm atomic
          matchExpressions [NodeSelectorRequirement] atomic; matchFields [NodeSelectorRequirement] atomic
        NodeSpec
          configSource NodeConfigSource; externalID string; podCIDR string; podCIDRs [string] set merge()
          providerID string; taints [Taint] atomic; unschedulable bool
        NodeStatus
          addresses [NodeAddress] map(type) merge(type); allocatable {quantity}; capacity {quantity}
          conditions [NodeCondition] map(type) merge(type); config NodeConfigStatus
          daemonEndpoints NodeDaemonEndpoints ~; declaredFeatures [string] atomic; features NodeFeatures
          images [ContainerImage] atomic; nodeInfo NodeSystemInfo ~; phase string
          runtimeHandlers [NodeRuntimeHandler] atomic; volumesAttached [AttachedVolume] atomic
          volumesInUse [string] atomic
        NodeSwapStatus
          capacity int64
        NodeSystemInfo
          architecture! string; bootID! string; containerRuntimeVersion! string; kernelVersion! string
          kubeProxyVersion! string; kubeletVersion! string; machineID! string; operatingSystem! string
          osImage! string; swap NodeSwapStatus; systemUUID! string
        """#
}
