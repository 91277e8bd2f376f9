// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension TypeDefinitions {
    /// Core types, the second half of the alphabet.
    static let core2 = #"""
        package io.k8s.api.core.v1
        ObjectFieldSelector atomic
          apiVersion string; fieldPath! string
        ObjectReference atomic
          apiVersion string; fieldPath string; kind string; name string; namespace string; resourceVersion string
          uid string
        PersistentVolumeClaim kind
          spec PersistentVolumeClaimSpec ~; status PersistentVolumeClaimStatus ~
        PersistentVolumeClaimCondition
          lastProbeTime time; lastTransitionTime time; message string; reason string; status! string; type! string
        PersistentVolumeClaimSpec
          accessModes [string] atomic; dataSource TypedLocalObjectReference; dataSourceRef TypedObjectReference
          resources VolumeResourceRequirements ~; selector meta.LabelSelector; storageClassName string
          volumeAttributesClassName string; volumeMode string; volumeName string
        PersistentVolumeClaimStatus
          accessModes [string] atomic; allocatedResourceStatuses {string} granular; allocatedResources {quantity}
          capacity {quantity}; conditions [PersistentVolumeClaimCondition] map(type) merge(type)
          currentVolumeAttributesClassName string; modifyVolumeStatus ModifyVolumeStatus; phase string
        PersistentVolumeClaimTemplate
          metadata meta.ObjectMeta ~; spec! PersistentVolumeClaimSpec ~
        PersistentVolumeClaimVolumeSource
          claimName! string; readOnly bool
        Pod kind
          spec PodSpec ~; status PodStatus ~
        PodAffinity
          preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm] atomic
          requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm] atomic
        PodAffinityTerm
          labelSelector meta.LabelSelector; matchLabelKeys [string] atomic; mismatchLabelKeys [string] atomic
          namespaceSelector meta.LabelSelector; namespaces [string] atomic; topologyKey! string
        PodAntiAffinity
          preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm] atomic
          requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm] atomic
        PodCertificateProjection
          certificateChainPath string; credentialBundlePath string; keyPath string; keyType! string
          maxExpirationSeconds int32; signerName! string; userAnnotations {string}
        PodCondition
          lastProbeTime time; lastTransitionTime time; message string; observedGeneration int64; reason string
          status! string; type! string
        PodDNSConfig
          nameservers [string] atomic; options [PodDNSConfigOption] atomic; searches [string] atomic
        PodDNSConfigOption
          name string; value string
        PodExtendedResourceClaimStatus
          requestMappings! [ContainerExtendedResourceRequest] atomic; resourceClaimName! string
        PodIP
          ip! string
        PodOS
          name! string
        PodReadinessGate
          conditionType! string
        PodResourceClaim
          name! string; resourceClaimName string; resourceClaimTemplateName string
        PodResourceClaimStatus
          name! string; resourceClaimName string
        PodSchedulingGate
          name! string
        PodSchedulingGroup
          podGroupName string
        PodSecurityContext
          appArmorProfile AppArmorProfile; fsGroup int64; fsGroupChangePolicy string; runAsGroup int64
          runAsNonRoot bool; runAsUser int64; seLinuxChangePolicy string; seLinuxOptions SELinuxOptions
          seccompProfile SeccompProfile; supplementalGroups [int64] atomic; supplementalGroupsPolicy string
          sysctls [Sysctl] atomic; windowsOptions WindowsSecurityContextOptions
        PodSpec
          activeDeadlineSeconds int64; affinity Affinity; automountServiceAccountToken bool
          containers! [Container] map(name) merge(name); dnsConfig PodDNSConfig; dnsPolicy string
          enableServiceLinks bool; ephemeralContainers [EphemeralContainer] map(name) merge(name)
          hostAliases [HostAlias] map(ip) merge(ip); hostIPC bool; hostNetwork bool; hostPID bool; hostUsers bool
          hostname string; hostnameOverride string; imagePullSecrets [LocalObjectReference] map(name) merge(name)
          initContainers [Container] map(name) merge(name); nodeName string; nodeSelector {string} atomic; os PodOS
          overhead {quantity}; preemptionPolicy string; priority int32; priorityClassName string
          readinessGates [PodReadinessGate] atomic
          resourceClaims [PodResourceClaim] map(name) merge(name) retainKeys; resources ResourceRequirements
          restartPolicy string; runtimeClassName string; schedulerName string
          schedulingGates [PodSchedulingGate] map(name) merge(name); schedulingGroup PodSchedulingGroup
          securityContext PodSecurityContext; serviceAccount string; serviceAccountName string
          setHostnameAsFQDN bool; shareProcessNamespace bool; subdomain string; terminationGracePeriodSeconds int64
          tolerations [Toleration] atomic
          topologySpreadConstraints [TopologySpreadConstraint] map(topologyKey,whenUnsatisfiable) merge(topologyKey)
          volumes [Volume] map(name) merge(name) retainKeys
        PodStatus
          allocatedResources {quantity}; conditions [PodCondition] map(type) merge(type)
          containerStatuses [ContainerStatus] atomic; ephemeralContainerStatuses [ContainerStatus] atomic
          extendedResourceClaimStatus PodExtendedResourceClaimStatus; hostIP string
          hostIPs [HostIP] atomic merge(ip); initContainerStatuses [ContainerStatus] atomic; message string
          nodeAllocatableResourceClaimStatuses [NodeAllocatableResourceClaimStatus] atomic; nominatedNodeName string
          observedGeneration int64; phase string; podIP string; podIPs [PodIP] map(ip) merge(ip); qosClass string
          reason string; resize string
          resourceClaimStatuses [PodResourceClaimStatus] map(name) merge(name) retainKeys
          resources ResourceRequirements; startTime time
        PodTemplate kind
          template PodTemplateSpec ~
        PodTemplateSpec
          metadata meta.ObjectMeta ~; spec PodSpec ~
        PortStatus
          error string; port! int32; protocol! string
        PreferredSchedulingTerm
          preference! NodeSelectorTerm ~; weight! int32
        Probe
          exec ExecAction; failureThreshold int32; grpc GRPCAction; httpGet HTTPGetAction; initialDelaySeconds int32
          periodSeconds int32; successThreshold int32; tcpSocket TCPSocketAction
          terminationGracePeriodSeconds int64; timeoutSeconds int32
        ProjectedVolumeSource
          defaultMode int32; sources [VolumeProjection] atomic
        ResourceClaim
          name! string; request string
        ResourceFieldSelector atomic
          containerName string; divisor quantity; resource! string
        ResourceHealth
          health string; message string; resourceID! string
        ResourceRequirements
          claims [ResourceClaim] map(name); limits {quantity}; requests {quantity}
        ResourceStatus
          name! string; resources [ResourceHealth] map(resourceID)
        SELinuxOptions
          level string; role string; type string; user string
        SeccompProfile
          localhostProfile string; type! string
        Secret kind
          data {bytes}; immutable bool; stringData {string}; type string
        SecretEnvSource
          name string; optional bool
        SecretKeySelector atomic
          key! string; name string; optional bool
        SecretProjection
          items [KeyToPath] atomic; name string; optional bool
        SecretVolumeSource
          defaultMode int32; items [KeyToPath] atomic; optional bool; secretName string
        SecurityContext
          allowPrivilegeEscalation bool; appArmorProfile AppArmorProfile; capabilities Capabilities; privileged bool
          procMount string; readOnlyRootFilesystem bool; runAsGroup int64; runAsNonRoot bool; runAsUser int64
          seLinuxOptions SELinuxOptions; seccompProfile SeccompProfile; windowsOptions WindowsSecurityContextOptions
        Service kind
          spec ServiceSpec ~; status ServiceStatus ~
        ServiceAccount kind
          automountServiceAccountToken bool; imagePullSecrets [LocalObjectReference] atomic
          secrets [ObjectReference] map(name) merge(name)
        ServiceAccountTokenProjection
          audience string; expirationSeconds int64; path! string
        ServicePort
          appProtocol string; name string; nodePort int32; port! int32; protocol string default("TCP")
          targetPort intOrString
        ServiceSpec
          allocateLoadBalancerNodePorts bool; clusterIP string; clusterIPs [string] atomic
          externalIPs [string] atomic; externalName string; externalTrafficPolicy string; healthCheckNodePort int32
          internalTrafficPolicy string; ipFamilies [string] atomic; ipFamilyPolicy string; loadBalancerClass string
          loadBalancerIP string; loadBalancerSourceRanges [string] atomic
          ports [ServicePort] map(port,protocol) merge(port); publishNotReadyAddresses bool
          selector {string} atomic; sessionAffinity string; sessionAffinityConfig SessionAffinityConfig
          trafficDistribution string; type string
        ServiceStatus
          conditions [meta.Condition] map(type) merge(type); loadBalancer LoadBalancerStatus ~
        SessionAffinityConfig
          clientIP ClientIPConfig
        SleepAction
          seconds! int64
        Sysctl
          name! string; value! string
        TCPSocketAction
          host string; port! intOrString
        Taint
          effect! string; key! string; timeAdded time; value string
        Toleration
          effect string; key string; operator string; tolerationSeconds int64; value string
        TopologySpreadConstraint
          labelSelector meta.LabelSelector; matchLabelKeys [string] atomic; maxSkew! int32; minDomains int32
          nodeAffinityPolicy string; nodeTaintsPolicy string; topologyKey! string; whenUnsatisfiable! string
        TypedLocalObjectReference atomic
          apiGroup string; kind! string; name! string
        TypedObjectReference
          apiGroup string; kind! string; name! string; namespace string
        Volume
          configMap ConfigMapVolumeSource; csi CSIVolumeSource; downwardAPI DownwardAPIVolumeSource
          emptyDir EmptyDirVolumeSource; ephemeral EphemeralVolumeSource; hostPath HostPathVolumeSource
          image ImageVolumeSource; name! string; nfs NFSVolumeSource
          persistentVolumeClaim PersistentVolumeClaimVolumeSource; projected ProjectedVolumeSource
          secret SecretVolumeSource
        VolumeDevice
          devicePath! string; name! string
        VolumeMount
          mountPath! string; mountPropagation string; name! string; readOnly bool; recursiveReadOnly string
          subPath string; subPathExpr string
        VolumeMountStatus
          mountPath! string; name! string; readOnly bool; recursiveReadOnly string; volumeStatus VolumeStatus
        VolumeProjection
          clusterTrustBundle ClusterTrustBundleProjection; configMap ConfigMapProjection
          downwardAPI DownwardAPIProjection; podCertificate PodCertificateProjection; secret SecretProjection
          serviceAccountToken ServiceAccountTokenProjection
        VolumeResourceRequirements
          limits {quantity}; requests {quantity}
        VolumeStatus
          image ImageVolumeStatus
        WeightedPodAffinityTerm
          podAffinityTerm! PodAffinityTerm ~; weight! int32
        WindowsSecurityContextOptions
          gmsaCredentialSpec string; gmsaCredentialSpecName string; hostProcess bool; runAsUserName string
        """#
}
