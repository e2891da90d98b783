"""For schemathesis 4.32: an OpenAPI document can't say which bytes are a picture, nor which hosts --allow-host names, so a
request that should be accepted gets a picture. Others are sent as schemathesis makes them.

    pip install schemathesis Pillow
    PYTHONPATH=tools/serve SCHEMATHESIS_HOOKS=schema_hooks st run http://127.0.0.1:8080/openapi.json --max-examples 60
"""
import base64
import io

import schemathesis
from PIL import Image
from schemathesis.transport.serialization import Binary

stream = io.BytesIO()
Image.radial_gradient("L").resize((64, 48)).save(stream, "PNG")
PICTURE = stream.getvalue()


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.path != "/v1/masks" or case.meta.generation.mode.is_negative:
        return
    if case.media_type == "multipart/form-data":
        case.body["image"] = Binary(PICTURE)
    elif "path" not in case.body["image"]:
        case.body["image"] = {"base64": base64.b64encode(PICTURE).decode()}
    # The body is valid still.
    case._sync_validated_hashes()
