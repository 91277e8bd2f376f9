// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension TypeDefinitions {
    /// Coordination, discovery, events, networking and access.
    static let cluster = #"""
        package io.k8s.api.coordination.v1
        Lease kind
          spec LeaseSpec ~
        LeaseSpec
          acquireTime microTime; holderIdentity string; leaseDurationSeconds int32; leaseTransitions int32
          preferredHolder string; renewTime microTime; strategy string
        package io.k8s.api.discovery.v1
        Endpoint
          addresses! [string] set; conditions EndpointConditions ~; deprecatedTopology {string}; hints EndpointHints
          hostname string; nodeName string; targetRef core.ObjectReference; zone string
        EndpointConditions
          ready bool; serving bool; terminating bool
        EndpointHints
          forNodes [ForNode] atomic; forZones [ForZone] atomic
        EndpointPort atomic
          appProtocol string; name string; port int32; protocol string
        EndpointSlice kind
          addressType! string; endpoints [Endpoint] atomic; ports [EndpointPort] atomic
        ForNode
          name! string
        ForZone
          name! string
        package io.k8s.api.events.v1
        Event kind
          action string; deprecatedCount int32; deprecatedFirstTimestamp time; deprecatedLastTimestamp time
          deprecatedSource core.EventSource ~; eventTime! microTime; note string; reason string
          regarding core.ObjectReference ~; related core.ObjectReference; reportingController string
          reportingInstance string; series EventSeries; type string
        EventSeries
          count! int32; lastObservedTime! microTime
        package io.k8s.api.networking.v1
        HTTPIngressPath
          backend! IngressBackend ~; path string; pathType! string
        HTTPIngressRuleValue
          paths! [HTTPIngressPath] atomic
        IPBlock
          cidr! string; except [string] atomic
        Ingress kind
          spec IngressSpec ~; status IngressStatus ~
        IngressBackend
          resource core.TypedLocalObjectReference; service IngressServiceBackend
        IngressLoadBalancerIngress
          hostname string; ip string; ports [IngressPortStatus] atomic
        IngressLoadBalancerStatus
          ingress [IngressLoadBalancerIngress] atomic
        IngressPortStatus
          error string; port! int32; protocol! string
        IngressRule
          host string; http HTTPIngressRuleValue
        IngressServiceBackend
          name! string; port ServiceBackendPort ~
        IngressSpec
          defaultBackend IngressBackend; ingressClassName string; rules [IngressRule] atomic
          tls [IngressTLS] atomic
        IngressStatus
          loadBalancer IngressLoadBalancerStatus ~
        IngressTLS
          hosts [string] atomic; secretName string
        NetworkPolicy kind
          spec NetworkPolicySpec ~
        NetworkPolicyEgressRule
          ports [NetworkPolicyPort] atomic; to [NetworkPolicyPeer] atomic
        NetworkPolicyIngressRule
          from [NetworkPolicyPeer] atomic; ports [NetworkPolicyPort] atomic
        NetworkPolicyPeer
          ipBlock IPBlock; namespaceSelector meta.LabelSelector; podSelector meta.LabelSelector
        NetworkPolicyPort
          endPort int32; port intOrString; protocol string
        NetworkPolicySpec
          egress [NetworkPolicyEgressRule] atomic; ingress [NetworkPolicyIngressRule] atomic
          podSelector meta.LabelSelector ~; policyTypes [string] atomic
        ServiceBackendPort atomic
          name string; number int32
        package io.k8s.api.rbac.v1
        AggregationRule
          clusterRoleSelectors [meta.LabelSelector] atomic
        ClusterRole kind
          aggregationRule AggregationRule; rules [PolicyRule] atomic
        ClusterRoleBinding kind
          roleRef! RoleRef ~; subjects [Subject] atomic
        PolicyRule
          apiGroups [string] atomic; nonResourceURLs [string] atomic; resourceNames [string] atomic
          resources [string] atomic; verbs! [string] atomic
        Role kind
          rules [PolicyRule] atomic
        RoleBinding kind
          roleRef! RoleRef ~; subjects [Subject] atomic
        RoleRef atomic
          apiGroup string; kind! string; name! string
        Subject atomic
          apiGroup string; kind! string; name! string; namespace string
        package io.k8s.api.authentication.v1
        SelfSubjectReview kind
          status SelfSubjectReviewStatus ~
        SelfSubjectReviewStatus
          userInfo UserInfo ~
        TokenReview kind
          spec! TokenReviewSpec ~; status TokenReviewStatus ~
        TokenReviewSpec
          audiences [string] atomic; token! string
        TokenReviewStatus
          audiences [string] atomic; authenticated bool; error string; user UserInfo ~
        UserInfo
          extra {[string]}; groups [string] atomic; uid string; username string
        package io.k8s.api.authorization.v1
        FieldSelectorAttributes
          rawSelector string; requirements [meta.FieldSelectorRequirement] atomic
        LabelSelectorAttributes
          rawSelector string; requirements [meta.LabelSelectorRequirement] atomic
        NonResourceAttributes
          path string; verb string
        NonResourceRule
          nonResourceURLs [string] atomic; verbs! [string] atomic
        ResourceAttributes
          fieldSelector FieldSelectorAttributes; group string; labelSelector LabelSelectorAttributes; name string
          namespace string; resource string; subresource string; verb string; version string
        ResourceRule
          apiGroups [string] atomic; resourceNames [string] atomic; resources [string] atomic
          verbs! [string] atomic
        SelfSubjectAccessReview kind
          spec! SelfSubjectAccessReviewSpec ~; status SubjectAccessReviewStatus ~
        SelfSubjectAccessReviewSpec
          nonResourceAttributes NonResourceAttributes; resourceAttributes ResourceAttributes
        SelfSubjectRulesReview kind
          spec! SelfSubjectRulesReviewSpec ~; status SubjectRulesReviewStatus ~
        SelfSubjectRulesReviewSpec
          namespace string
        SubjectAccessReview kind
          spec! SubjectAccessReviewSpec ~; status SubjectAccessReviewStatus ~
        SubjectAccessReviewSpec
          extra {[string]}; groups [string] atomic; nonResourceAttributes NonResourceAttributes
          resourceAttributes ResourceAttributes; uid string; user string
        SubjectAccessReviewStatus
          allowed! bool; denied bool; evaluationError string; reason string
        SubjectRulesReviewStatus
          evaluationError string; incomplete! bool; nonResourceRules! [NonResourceRule] atomic
          resourceRules! [ResourceRule] atomic
        """#
}
