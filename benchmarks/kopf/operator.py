# Copyright the ModelFleet authors.
# SPDX-License-Identifier: Apache-2.0
"""A minimal kopf operator that does what ModelFleet's operator does first: a Deployment and a Service for each
ModelDeployment, kept as the spec asks for.

Written for speed, so that the comparison is with kopf and not with a slow client: handlers are coroutines, requests go
over one aiohttp session, and kopf posts no events. After a restart it believes kopf's own note that a model was handled
and looks at no child: kopf's indexes of 10,000 children take it more than a minute of processor time.
"""

import json
import logging
import os
import ssl
import tempfile

import aiohttp
import aiohttp.web
import kopf

GROUP, VERSION, PLURAL = "modelfleet.dev", "v1alpha1", "modeldeployments"
MANAGED = {"app.kubernetes.io/managed-by": "modelfleet-kopf"}
FIELD_MANAGER = "modelfleet-kopf"

counts = {"reconciles": 0, "open": 0}
connection = {}


@kopf.on.startup()
async def configure(settings, **_):
    settings.posting.enabled = False
    settings.batching.idle_timeout = 1.0
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    # kopf's own probes answer what was true up to ten seconds ago.
    if port := os.environ.get("MODELFLEET_BENCH_PORT"):
        app = aiohttp.web.Application()
        app.router.add_get("/healthz", lambda _: completed(aiohttp.web.json_response(counts)))
        connection["runner"] = aiohttp.web.AppRunner(app, access_log=None)
        await connection["runner"].setup()
        await aiohttp.web.TCPSite(connection["runner"], "127.0.0.1", int(port)).start()


async def completed(answer):
    return answer


@kopf.on.cleanup()
async def close(**_):
    if "session" in connection:
        await connection["session"].close()
    if "runner" in connection:
        await connection["runner"].cleanup()


@kopf.on.login()
def login(**kwargs):
    info = kopf.login_with_kubeconfig(**kwargs)
    connection["info"] = info
    return info


@kopf.on.resume(GROUP, VERSION, PLURAL)
async def resume(**_):
    counts["reconciles"] += 1


@kopf.on.create(GROUP, VERSION, PLURAL)
@kopf.on.update(GROUP, VERSION, PLURAL, field="spec")
async def reconcile(body, spec, name, namespace, **_):
    counts["open"] += 1
    try:
        for path, wanted in (
            (f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment(name, namespace, spec)),
            (f"/api/v1/namespaces/{namespace}/services", service(name, namespace)),
        ):
            kopf.adopt(wanted, owner=body)
            await apply(f"{path}/{name}", wanted)
    finally:
        counts["open"] -= 1
        counts["reconciles"] += 1


def deployment(name, namespace, spec):
    labels = {"modelfleet.dev/model": name}
    arguments = [f"--model-name={name}", f"--model-uri={spec['model']['uri']}", "--port=8080"]
    container = {
        "name": "server",
        "image": "modelfleet/server:latest",
        "args": arguments,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": "http"}},
        "resources": spec.get("resources", {}),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {**labels, **MANAGED}},
        "spec": {
            "replicas": spec.get("scaling", {}).get("minReplicas", 1),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(name, namespace):
    labels = {"modelfleet.dev/model": name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": {**labels, **MANAGED}},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }


async def apply(path, body):
    """Server-side apply over the connection that kopf logged in with."""
    info = connection["info"]
    if "session" not in connection:
        context = ssl.create_default_context(cafile=info.ca_path) if info.ca_path else ssl.create_default_context()
        if info.ca_data:
            with tempfile.NamedTemporaryFile("wb", suffix=".pem") as file:
                file.write(ca_bytes(info.ca_data))
                file.flush()
                context.load_verify_locations(file.name)
        if info.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection["session"] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=64),
            headers={"Authorization": f"{info.scheme or 'Bearer'} {info.token}"} if info.token else {},
        )
    async with connection["session"].patch(
        info.server.rstrip("/") + path,
        params={"fieldManager": FIELD_MANAGER, "force": "true"},
        data=json.dumps(body),
        headers={"Content-Type": "application/apply-patch+yaml"},
    ) as answer:
        if answer.status >= 400:
            raise kopf.TemporaryError(f"{path}: {answer.status} {await answer.text()}", delay=5)


def ca_bytes(data):
    """A kubeconfig's certificate-authority-data: base64, as text or bytes, or PEM already."""
    import base64

    raw = data.encode() if isinstance(data, str) else data
    return raw if raw.lstrip().startswith(b"-----") else base64.b64decode(raw)
