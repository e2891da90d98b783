"""Hands CVAT's request on to `mal serve` as it is; the answer is what CVAT expects."""
import json
import os
import urllib.error
import urllib.request


def init_context(context):
    context.user_data.url = os.environ["MAL_URL"].rstrip("/") + "/cvat"


def handler(context, event):
    body = event.body if isinstance(event.body, bytes) else json.dumps(event.body).encode()
    headers = {"Content-Type": "application/json"}
    if os.environ.get("MAL_TOKEN"):
        headers["Authorization"] = "Bearer " + os.environ["MAL_TOKEN"]
    request = urllib.request.Request(context.user_data.url, body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    return context.Response(
        body=text, headers={}, content_type="application/json", status_code=status)
