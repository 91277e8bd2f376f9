# Copyright the ModelFleet authors.
# SPDX-License-Identifier: Apache-2.0
"""A kopf operator for a kind of its own, as its users would write it: handlers, a finalizer, a timer, a daemon, events.

Run with `kopf run`. A "Trial" gets a ConfigMap of its name (owned by it), whose text follows the Trial's.
"""

import asyncio

import kopf
from kubernetes import client, config

GROUP = "kopf.example.com"


@kopf.on.startup()
def configure(settings, **_):
    config.load_kube_config()
    settings.persistence.finalizer = f"{GROUP}/finalizer"
    settings.posting.loggers = True


@kopf.on.login()
def login(**keywords):
    return kopf.login_via_client(**keywords)


def body_of(name, namespace, text):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"text": text},
    }


def put(name, namespace, text):
    """Writes a ConfigMap that may be there: kopf may call a handler again."""
    core = client.CoreV1Api()
    try:
        core.create_namespaced_config_map(namespace, body_of(name, namespace, text))
    except client.ApiException as error:
        if error.status != 409:
            raise
        core.patch_namespaced_config_map(name, namespace, {"data": {"text": text}})


@kopf.on.create("trials", retries=5)
def created(spec, name, namespace, retry, patch, **_):
    if spec.get("failFirst") and retry == 0:
        raise kopf.TemporaryError("the first try fails on purpose", delay=0.2)
    child = body_of(name, namespace, spec["text"])
    kopf.adopt(child)
    client.CoreV1Api().create_namespaced_config_map(namespace, child)
    patch.status["phase"] = "Created"
    return {"tries": retry + 1}


@kopf.on.update("trials", field="spec.text")
def updated(old, new, name, namespace, body, **_):
    client.CoreV1Api().patch_namespaced_config_map(name, namespace, {"data": {"text": new}})
    kopf.info(body, reason="TextChanged", message=f"from {old} to {new}")
    return f"{old} to {new}"


@kopf.on.delete("trials")
def deleted(name, namespace, **_):
    put(f"{name}-epitaph", namespace, "gone")


@kopf.timer("trials", interval=0.3)
def ticked(status, patch, **_):
    patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.daemon("trials", cancellation_backoff=2, cancellation_timeout=2)
async def watched_over(stopped, name, namespace, **_):
    await asyncio.to_thread(put, f"{name}-daemon", namespace, "started")
    await stopped.wait(60)
    await asyncio.to_thread(put, f"{name}-daemon", namespace, "stopped")


@kopf.on.event("configmaps", labels={"seen-by": "kopf"})
def seen(event, name, namespace, **_):
    if event["type"] == "ADDED":
        client.CoreV1Api().patch_namespaced_config_map(name, namespace, {"metadata": {"annotations": {"seen": "yes"}}})


@kopf.index("configmaps", labels={"seen-by": "kopf"})
def by_name(name, **_):
    return {name: True}
