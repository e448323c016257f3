"""The doubles of the providers as objects of a cluster, and the values that lead importers and analyzers to them."""

from __future__ import annotations

from typing import Any

from heliograph_local.doubles.addresses import OPENAI, OPENAI_KEY, UNSPLASH, UNSPLASH_KEY, importer_environment

NAME = "heliograph-doubles"
PORT = 8080
MODEL_KEY = f"{NAME}-openai"
"""The Secret with the key of the model, which a step creates while analyzers run."""
_SECRET = f"{NAME}-credentials"
_LABELS = {
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/component": "doubles",
    "app.kubernetes.io/part-of": "heliograph",
}
_SECRETS = {  # variables that go by a Secret, as an operator's would
    "HELIOGRAPH_GOOGLE_DRIVE__API_KEY": ("google-drive-api-key", "googleDriveApiKeyKey"),
    "HELIOGRAPH_DROPBOX__APP_KEY": ("dropbox-app-key", "dropboxAppKeyKey"),
    "HELIOGRAPH_DROPBOX__APP_SECRET": ("dropbox-app-secret", "dropboxAppSecretKey"),
}
_ANALYZER = {
    "openai": {"baseUrl": f"http://{NAME}{OPENAI}/v1"},
    "existingSecret": {"name": MODEL_KEY, "apiKeyKey": "api-key"},
}
_UNSPLASH = {
    "baseUrl": f"http://{NAME}{UNSPLASH}",
    "existingSecret": {"name": _SECRET, "accessKeyKey": "unsplash-access-key"},
}
_NOT_SET = {
    "HELIOGRAPH_URLS__ALLOWED_NETWORKS",  # addresses of the cluster stay forbidden
    "HELIOGRAPH_UNSPLASH__BASE_URL",  # a value of the chart
    "HELIOGRAPH_UNSPLASH__ACCESS_KEY",
}


def values(*, analyses: bool, words: bool) -> dict[str, Any]:
    """Of the chart: importers that ask the doubles, with credentials from a Secret; with ``analyses`` analyzers too, with
    ``words`` for images of words too."""
    told = importer_environment(f"http://{NAME}")
    plain = {name: value for name, value in told.items() if name not in {*_SECRETS, *_NOT_SET}}
    to_doubles = {"ports": [{"port": PORT}], "to": [{"podSelector": {"matchLabels": _LABELS}}]}
    return {
        "importer": {
            "extraEnv": [{"name": name, "value": value} for name, value in plain.items()],
            "existingSecret": {"name": _SECRET, **{value: key for key, value in _SECRETS.values()}},
            **({"unsplash": _UNSPLASH} if words else {}),
        },
        "networkPolicy": {"internet": {"extraEgress": [to_doubles]}},
        **({"analyzer": _ANALYZER} if analyses else {}),
    }


def model_key() -> dict[str, Any]:
    """The Secret with the key that the double of OpenAI takes."""
    return {**_object("v1", "Secret", MODEL_KEY), "stringData": {"api-key": OPENAI_KEY}}


def objects(image: str, pull_policy: str) -> list[dict[str, Any]]:
    """The doubles: Secret, Deployment, Service, and the policy that lets importers and analyzers in and nothing out."""
    told = importer_environment("")
    callers = [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/component": name}}} for name in ("importer", "analyzer")
    ]
    return [
        {
            **_object("v1", "Secret", _SECRET),
            "stringData": {
                "unsplash-access-key": UNSPLASH_KEY,
                **{key: told[variable] for variable, (key, _) in _SECRETS.items()},
            },
        },
        {
            **_object("apps/v1", "Deployment", NAME),
            "spec": {
                "selector": {"matchLabels": _LABELS},
                "template": {"metadata": {"labels": _LABELS}, "spec": _pod(image, pull_policy)},
            },
        },
        {
            **_object("v1", "Service", NAME),
            "spec": {"selector": _LABELS, "ports": [{"port": 80, "targetPort": PORT}]},
        },
        {
            **_object("networking.k8s.io/v1", "NetworkPolicy", NAME),
            "spec": {
                "podSelector": {"matchLabels": _LABELS},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"ports": [{"port": PORT}], "from": callers}],
            },
        },
    ]


def _object(version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": _LABELS}}


def _pod(image: str, pull_policy: str) -> dict[str, Any]:
    """It fits the restricted level."""
    container = {
        "name": "doubles",
        "image": image,
        "imagePullPolicy": pull_policy,
        "command": ["python", "-m", "heliograph_local.doubles", "--host=0.0.0.0", f"--port={PORT}"],
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
