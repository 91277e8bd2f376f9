# HELP apiserver_request_total Answered requests.
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",group="",resource="",subresource="",verb="GET",version=""} 2
apiserver_request_total{code="200",group="",resource="pods",subresource="",verb="WATCH",version="v1"} 1
apiserver_request_total{code="200",group="",resource="services",subresource="",verb="APPLY",version="v1"} 285
apiserver_request_total{code="200",group="",resource="services",subresource="",verb="DELETE",version="v1"} 91
apiserver_request_total{code="200",group="",resource="services",subresource="",verb="GET",version="v1"} 523
apiserver_request_total{code="200",group="",resource="services",subresource="",verb="PATCH",version="v1"} 3739
apiserver_request_total{code="200",group="",resource="services",subresource="",verb="WATCH",version="v1"} 2
apiserver_request_total{code="200",group="apiextensions.k8s.io",resource="customresourcedefinitions",subresource="",verb="GET",version="v1"} 2
apiserver_request_total{code="200",group="apps",resource="deployments",subresource="",verb="DELETE",version="v1"} 359
apiserver_request_total{code="200",group="apps",resource="deployments",subresource="",verb="GET",version="v1"} 5
apiserver_request_total{code="200",group="apps",resource="deployments",subresource="",verb="WATCH",version="v1"} 2
apiserver_request_total{code="200",group="apps",resource="deployments",subresource="scale",verb="PATCH",version="v1"} 262
apiserver_request_total{code="200",group="apps",resource="deployments",subresource="status",verb="PATCH",version="v1"} 1149
apiserver_request_total{code="200",group="autoscaling",resource="horizontalpodautoscalers",subresource="",verb="LIST",version="v2"} 1
apiserver_request_total{code="200",group="autoscaling",resource="horizontalpodautoscalers",subresource="",verb="WATCH",version="v2"} 1
apiserver_request_total{code="200",group="modelfleet.dev",resource="modeldeployments",subresource="",verb="DELETE",version="v1alpha1"} 91
apiserver_request_total{code="200",group="modelfleet.dev",resource="modeldeployments",subresource="",verb="PATCH",version="v1alpha1"} 4097
apiserver_request_total{code="200",group="modelfleet.dev",resource="modeldeployments",subresource="",verb="WATCH",version="v1alpha1"} 1
apiserver_request_total{code="200",group="modelfleet.dev",resource="modeldeployments",subresource="status",verb="PATCH",version="v1alpha1"} 6068
apiserver_request_total{code="200",group="modelfleet.dev",resource="servingruntimes",subresource="",verb="WATCH",version="v1alpha1"} 1
apiserver_request_total{code="201",group="",resource="events",subresource="",verb="POST",version="v1"} 2346
apiserver_request_total{code="201",group="",resource="namespaces",subresource="",verb="APPLY",version="v1"} 1
apiserver_request_total{code="201",group="",resource="services",subresource="",verb="APPLY",version="v1"} 591
apiserver_request_total{code="201",group="apiextensions.k8s.io",resource="customresourcedefinitions",subresource="",verb="APPLY",version="v1"} 2
apiserver_request_total{code="201",group="apps",resource="deployments",subresource="",verb="APPLY",version="v1"} 880
apiserver_request_total{code="201",group="modelfleet.dev",resource="modeldeployments",subresource="",verb="POST",version="v1alpha1"} 591
apiserver_request_total{code="201",group="modelfleet.dev",resource="servingruntimes",subresource="",verb="APPLY",version="v1alpha1"} 1
apiserver_request_total{code="404",group="",resource="",subresource="",verb="GET",version=""} 1
apiserver_request_total{code="404",group="",resource="services",subresource="",verb="GET",version="v1"} 591
apiserver_request_total{code="404",group="apps",resource="deployments",subresource="",verb="DELETE",version="v1"} 15
apiserver_request_total{code="404",group="apps",resource="deployments",subresource="",verb="GET",version="v1"} 881
apiserver_request_total{code="409",group="modelfleet.dev",resource="modeldeployments",subresource="status",verb="PATCH",version="v1alpha1"} 4
modelfleet_reconciles_total 14994
cpu (modelfleet) 19.3 142656
cpu (modelfleet) 13.01 55832
cpu (modelfleet-benc) 4.9 41020
