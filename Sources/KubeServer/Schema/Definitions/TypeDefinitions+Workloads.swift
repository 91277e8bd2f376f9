// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension TypeDefinitions {
    /// Workloads, their scaling and their disruption.
    static let workloads = #"""
        package io.k8s.api.apps.v1
        ControllerRevision kind
          data raw; revision! int64
        DaemonSet kind
          spec DaemonSetSpec ~; status DaemonSetStatus ~
        DaemonSetCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        DaemonSetSpec
          minReadySeconds int32; revisionHistoryLimit int32; selector! meta.LabelSelector
          template! core.PodTemplateSpec ~; updateStrategy DaemonSetUpdateStrategy ~
        DaemonSetStatus
          collisionCount int32; conditions [DaemonSetCondition] map(type) merge(type); currentNumberScheduled! int32
          desiredNumberScheduled! int32; numberAvailable int32; numberMisscheduled! int32; numberReady! int32
          numberUnavailable int32; observedGeneration int64; updatedNumberScheduled int32
        DaemonSetUpdateStrategy
          rollingUpdate RollingUpdateDaemonSet; type string
        Deployment kind
          spec DeploymentSpec ~; status DeploymentStatus ~
        DeploymentCondition
          lastTransitionTime time; lastUpdateTime time; message string; reason string; status! string; type! string
        DeploymentSpec
          minReadySeconds int32; paused bool; progressDeadlineSeconds int32; replicas int32
          revisionHistoryLimit int32; selector! meta.LabelSelector; strategy DeploymentStrategy retainKeys ~
          template! core.PodTemplateSpec ~
        DeploymentStatus
          availableReplicas int32; collisionCount int32; conditions [DeploymentCondition] map(type) merge(type)
          observedGeneration int64; readyReplicas int32; replicas int32; terminatingReplicas int32
          unavailableReplicas int32; updatedReplicas int32
        DeploymentStrategy
          rollingUpdate RollingUpdateDeployment; type string
        ReplicaSet kind
          spec ReplicaSetSpec ~; status ReplicaSetStatus ~
        ReplicaSetCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        ReplicaSetSpec
          minReadySeconds int32; replicas int32; selector! meta.LabelSelector; template core.PodTemplateSpec ~
        ReplicaSetStatus
          availableReplicas int32; conditions [ReplicaSetCondition] map(type) merge(type)
          fullyLabeledReplicas int32; observedGeneration int64; readyReplicas int32; replicas! int32
          terminatingReplicas int32
        RollingUpdateDaemonSet
          maxSurge intOrString; maxUnavailable intOrString
        RollingUpdateDeployment
          maxSurge intOrString; maxUnavailable intOrString
        RollingUpdateStatefulSetStrategy
          maxUnavailable intOrString; partition int32
        StatefulSet kind
          spec StatefulSetSpec ~; status StatefulSetStatus ~
        StatefulSetCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        StatefulSetOrdinals
          start int32
        StatefulSetPersistentVolumeClaimRetentionPolicy
          whenDeleted string; whenScaled string
        StatefulSetSpec
          minReadySeconds int32; ordinals StatefulSetOrdinals
          persistentVolumeClaimRetentionPolicy StatefulSetPersistentVolumeClaimRetentionPolicy
          podManagementPolicy string; replicas int32; revisionHistoryLimit int32; selector! meta.LabelSelector
          serviceName string; template! core.PodTemplateSpec ~; updateStrategy StatefulSetUpdateStrategy ~
          volumeClaimTemplates [core.PersistentVolumeClaim] atomic
        StatefulSetStatus
          availableReplicas int32; collisionCount int32; conditions [StatefulSetCondition] map(type) merge(type)
          currentReplicas int32; currentRevision string; observedGeneration int64; readyReplicas int32
          replicas! int32; updateRevision string; updatedReplicas int32
        StatefulSetUpdateStrategy
          rollingUpdate RollingUpdateStatefulSetStrategy; type string
        package io.k8s.api.autoscaling.v1
        CrossVersionObjectReference atomic
          apiVersion string; kind! string; name! string
        HorizontalPodAutoscaler kind
          spec! HorizontalPodAutoscalerSpec ~; status HorizontalPodAutoscalerStatus ~
        HorizontalPodAutoscalerSpec
          maxReplicas! int32; minReplicas int32; scaleTargetRef! CrossVersionObjectReference ~
          targetCPUUtilizationPercentage int32
        HorizontalPodAutoscalerStatus
          currentCPUUtilizationPercentage int32; currentReplicas! int32; desiredReplicas! int32; lastScaleTime time
          observedGeneration int64
        Scale kind
          spec ScaleSpec ~; status ScaleStatus ~
        ScaleSpec
          replicas int32
        ScaleStatus
          replicas! int32; selector string
        package io.k8s.api.autoscaling.v2
        ContainerResourceMetricSource
          container! string; name! string; target! MetricTarget ~
        ContainerResourceMetricStatus
          container! string; current! MetricValueStatus ~; name! string
        CrossVersionObjectReference
          apiVersion string; kind! string; name! string
        ExternalMetricSource
          metric! MetricIdentifier ~; target! MetricTarget ~
        ExternalMetricStatus
          current! MetricValueStatus ~; metric! MetricIdentifier ~
        HPAScalingPolicy
          periodSeconds! int32; type! string; value! int32
        HPAScalingRules
          policies [HPAScalingPolicy] atomic; selectPolicy string; stabilizationWindowSeconds int32
          tolerance quantity
        HorizontalPodAutoscaler kind
          spec! HorizontalPodAutoscalerSpec ~; status HorizontalPodAutoscalerStatus ~
        HorizontalPodAutoscalerBehavior
          scaleDown HPAScalingRules; scaleUp HPAScalingRules
        HorizontalPodAutoscalerCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        HorizontalPodAutoscalerSpec
          behavior HorizontalPodAutoscalerBehavior; maxReplicas! int32; metrics [MetricSpec] atomic
          minReplicas int32; scaleTargetRef! CrossVersionObjectReference ~
        HorizontalPodAutoscalerStatus
          conditions [HorizontalPodAutoscalerCondition] map(type) merge(type); currentMetrics [MetricStatus] atomic
          currentReplicas int32; desiredReplicas! int32; lastScaleTime time; observedGeneration int64
        MetricIdentifier
          name! string; selector meta.LabelSelector
        MetricSpec
          containerResource ContainerResourceMetricSource; external ExternalMetricSource; object ObjectMetricSource
          pods PodsMetricSource; resource ResourceMetricSource; type! string
        MetricStatus
          containerResource ContainerResourceMetricStatus; external ExternalMetricStatus; object ObjectMetricStatus
          pods PodsMetricStatus; resource ResourceMetricStatus; type! string
        MetricTarget
          averageUtilization int32; averageValue quantity; type! string; value quantity
        MetricValueStatus
          averageUtilization int32; averageValue quantity; value quantity
        ObjectMetricSource
          describedObject! CrossVersionObjectReference ~; metric! MetricIdentifier ~; target! MetricTarget ~
        ObjectMetricStatus
          current! MetricValueStatus ~; describedObject! CrossVersionObjectReference ~; metric! MetricIdentifier ~
        PodsMetricSource
          metric! MetricIdentifier ~; target! MetricTarget ~
        PodsMetricStatus
          current! MetricValueStatus ~; metric! MetricIdentifier ~
        ResourceMetricSource
          name! string; target! MetricTarget ~
        ResourceMetricStatus
          current! MetricValueStatus ~; name! string
        package io.k8s.api.policy.v1
        Eviction kind
          deleteOptions meta.DeleteOptions
        PodDisruptionBudget kind
          spec PodDisruptionBudgetSpec ~; status PodDisruptionBudgetStatus ~
        PodDisruptionBudgetSpec
          maxUnavailable intOrString; minAvailable intOrString; selector meta.LabelSelector replace
          unhealthyPodEvictionPolicy string
        PodDisruptionBudgetStatus
          conditions [meta.Condition] map(type) merge(type); currentHealthy int32; desiredHealthy int32
          disruptedPods {time}; disruptionsAllowed int32; expectedPods int32; observedGeneration int64
        """#
}
