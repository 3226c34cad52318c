"""`/docs`: the OpenAPI document as one page that needs no script and asks no other machine."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.05rem; border-top: 1px solid var(--line); padding-top: 1.2rem; margin-top: 1.6rem; }
code, pre { font: 0.9em ui-monospace, monospace; background: var(--soft); border-radius: 4px; padding: 0.1em 0.3em; }
pre { padding: 0.8rem; overflow-x: auto; } table { border-collapse: collapse; }
td { padding: 0.15rem 1rem 0.15rem 0; vertical-align: top; } summary { cursor: pointer; padding: 0.2rem 0; }
"""
#: The page's content security policy: its one style, known by its hash, and nothing else.
DOCS_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_EXAMPLES = {
    "/v1/predict": """curl {url} -H 'Content-Type: application/json' -d '{"text": "what a day"}'
curl {url} -F text='what a day' -F image=@photo.jpg""",
    "/v1/explain": "curl {url} -F text='what a day' -F image=@photo.jpg",
    "/v1/predict/batch": """curl {url} -H 'Content-Type: application/zip' --data-binary @posts.zip
curl {url} -H 'Content-Type: text/csv' -H 'Accept: text/csv' --data-binary @posts.csv""",
}


def docs_page(openapi: dict[str, Any]) -> str:
    """Return the page for an OpenAPI document; examples address the service by its default name."""
    info = openapi["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width, initial-scale=1"><link rel=icon href=data:,>',
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info.get('summary', ''))}",
        "The document itself: <a href=/openapi.json>/openapi.json</a>. The page: <a href=/>/</a>.</p>",
    ]
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(method, path, operation))
    schemas = openapi.get("components", {}).get("schemas", {})
    parts.append("<h2>Schemas</h2>")
    parts += [_details(name, _json(schema)) for name, schema in schemas.items()]
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation.get('description', ''))}</p>"]
    if path in _EXAMPLES:
        example = _EXAMPLES[path].replace("{url}", f"http://127.0.0.1:8000{path}")
        lines.append(f"<pre>{escape(example)}</pre>")
    for parameter in operation.get("parameters", []):
        kind = parameter.get("schema", {}).get("type", "")
        lines.append(f"<p><code>{escape(parameter['name'])}</code> in the {parameter['in']}: {escape(kind)}</p>")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        lines.append(_details(f"takes {kind}", _json(content.get("schema", {}))))
    rows = "".join(
        f"<tr><td><code>{status}</code><td>{escape(response['description'])}"
        for status, response in operation["responses"].items()
    )
    return "\n".join([*lines, f"<table>{rows}</table>"])


def _details(summary: str, text: str) -> str:
    return f"<details><summary><code>{escape(summary)}</code></summary><pre>{escape(text)}</pre></details>"


def _json(value: Any) -> str:
    return json.dumps(value, indent=1)
