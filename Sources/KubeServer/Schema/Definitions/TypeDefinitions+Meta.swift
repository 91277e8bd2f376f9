// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension TypeDefinitions {
    /// What every object has.
    static let meta = #"""
        package io.k8s.apimachinery.pkg.apis.meta.v1
        Condition
          lastTransitionTime! time; message! string; observedGeneration int64; reason! string; status! string
          type! string
        DeleteOptions
          apiVersion string; dryRun [string] atomic; gracePeriodSeconds int64
          ignoreStoreReadErrorWithClusterBreakingPotential bool; kind string; orphanDependents bool
          preconditions Preconditions; propagationPolicy string
        FieldSelectorRequirement
          key! string; operator! string; values [string] atomic
        LabelSelector atomic
          matchExpressions [LabelSelectorRequirement] atomic; matchLabels {string}
        LabelSelectorRequirement
          key! string; operator! string; values [string] atomic
        ManagedFieldsEntry
          apiVersion string; fieldsType string; fieldsV1 fields; manager string; operation string
          subresource string; time time
        ObjectMeta
          annotations {string}; creationTimestamp time; deletionGracePeriodSeconds int64; deletionTimestamp time
          finalizers [string] set merge(); generateName string; generation int64; labels {string}
          managedFields [ManagedFieldsEntry] atomic; name string; namespace string
          ownerReferences [OwnerReference] map(uid) merge(uid); resourceVersion string; selfLink string; uid string
        OwnerReference atomic
          apiVersion! string; blockOwnerDeletion bool; controller bool; kind! string; name! string; uid! string
        Preconditions
          resourceVersion string; uid string
        """#
}
