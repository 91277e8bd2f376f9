// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension TypeDefinitions {
    /// What extends the API.
    static let extensions = #"""
        package io.k8s.api.admissionregistration.v1
        MatchCondition
          expression! string; name! string
        MutatingWebhook
          admissionReviewVersions! [string] atomic; clientConfig! WebhookClientConfig ~; failurePolicy string
          matchConditions [MatchCondition] map(name) merge(name); matchPolicy string; name! string
          namespaceSelector meta.LabelSelector; objectSelector meta.LabelSelector; reinvocationPolicy string
          rules [RuleWithOperations] atomic; sideEffects! string; timeoutSeconds int32
        MutatingWebhookConfiguration kind
          webhooks [MutatingWebhook] map(name) merge(name)
        RuleWithOperations
          apiGroups [string] atomic; apiVersions [string] atomic; operations [string] atomic
          resources [string] atomic; scope string
        ServiceReference
          name! string; namespace! string; path string; port int32
        ValidatingWebhook
          admissionReviewVersions! [string] atomic; clientConfig! WebhookClientConfig ~; failurePolicy string
          matchConditions [MatchCondition] map(name) merge(name); matchPolicy string; name! string
          namespaceSelector meta.LabelSelector; objectSelector meta.LabelSelector; rules [RuleWithOperations] atomic
          sideEffects! string; timeoutSeconds int32
        ValidatingWebhookConfiguration kind
          webhooks [ValidatingWebhook] map(name) merge(name)
        WebhookClientConfig
          caBundle bytes; service ServiceReference; url string
        package io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1
        CustomResourceColumnDefinition
          description string; format string; jsonPath! string; name! string; priority int32; type! string
        CustomResourceConversion
          strategy! string; webhook WebhookConversion
        CustomResourceDefinition kind
          spec! CustomResourceDefinitionSpec ~; status CustomResourceDefinitionStatus ~
        CustomResourceDefinitionCondition
          lastTransitionTime time; message string; observedGeneration int64; reason string; status! string
          type! string
        CustomResourceDefinitionNames
          categories [string] atomic; kind! string; listKind string; plural! string; shortNames [string] atomic
          singular string
        CustomResourceDefinitionSpec
          conversion CustomResourceConversion; group! string; names! CustomResourceDefinitionNames ~
          preserveUnknownFields bool; scope! string; versions! [CustomResourceDefinitionVersion] atomic
        CustomResourceDefinitionStatus
          acceptedNames CustomResourceDefinitionNames ~; conditions [CustomResourceDefinitionCondition] map(type)
          observedGeneration int64; storedVersions [string] atomic
        CustomResourceDefinitionVersion
          additionalPrinterColumns [CustomResourceColumnDefinition] atomic; deprecated bool
          deprecationWarning string; name! string; schema CustomResourceValidation
          selectableFields [SelectableField] atomic; served! bool; storage! bool
          subresources CustomResourceSubresources
        CustomResourceSubresourceScale
          labelSelectorPath string; specReplicasPath! string; statusReplicasPath! string
        CustomResourceSubresourceStatus
        CustomResourceSubresources
          scale CustomResourceSubresourceScale; status CustomResourceSubresourceStatus
        CustomResourceValidation
          openAPIV3Schema JSONSchemaProps
        ExternalDocumentation
          description string; url string
        JSONSchemaProps
          $ref string; $schema string; additionalItems any; additionalProperties any; allOf [JSONSchemaProps] atomic
          anyOf [JSONSchemaProps] atomic; default any; definitions {JSONSchemaProps}; dependencies {any}
          description string; enum [any] atomic; example any; exclusiveMaximum bool; exclusiveMinimum bool
          externalDocs ExternalDocumentation; format string; id string; items any; maxItems int64; maxLength int64
          maxProperties int64; maximum double; minItems int64; minLength int64; minProperties int64; minimum double
          multipleOf double; not JSONSchemaProps; nullable bool; oneOf [JSONSchemaProps] atomic; pattern string
          patternProperties {JSONSchemaProps}; properties {JSONSchemaProps}; required [string] atomic; title string
          type string; uniqueItems bool; x-kubernetes-embedded-resource bool; x-kubernetes-int-or-string bool
          x-kubernetes-list-map-keys [string] atomic; x-kubernetes-list-type string; x-kubernetes-map-type string
          x-kubernetes-preserve-unknown-fields bool; x-kubernetes-validations [ValidationRule] map(rule) merge(rule)
        SelectableField
          jsonPath! string
        ServiceReference
          name! string; namespace! string; path string; port int32
        ValidationRule
          fieldPath string; message string; messageExpression string; optionalOldSelf bool; reason string
          rule! string
        WebhookClientConfig
          caBundle bytes; service ServiceReference; url string
        WebhookConversion
          clientConfig WebhookClientConfig; conversionReviewVersions! [string] atomic
        package io.k8s.kube-aggregator.pkg.apis.apiregistration.v1
        APIService kind
          spec APIServiceSpec ~; status APIServiceStatus ~
        APIServiceCondition
          lastTransitionTime time; message string; reason string; status! string; type! string
        APIServiceSpec
          caBundle bytes atomic; group string; groupPriorityMinimum! int32; insecureSkipTLSVerify bool
          service ServiceReference; version string; versionPriority! int32
        APIServiceStatus
          conditions [APIServiceCondition] map(type) merge(type)
        ServiceReference
          name string; namespace string; port int32
        """#
}
