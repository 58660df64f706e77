"""What schemathesis is given so that it comes past the door: tokens, signatures, and a sale that is there.

Read by `tests/it/edge/openapi.rs`, which names the running stack in HOLDFAST_STACK and the sale in HOLDFAST_SALE.
"""

import base64
import hashlib
import hmac
import itertools
import json
import os
import re
import time
import uuid

import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

with open(os.environ["HOLDFAST_STACK"], encoding="utf-8") as file:
    STACK = json.load(file)
SALE = os.environ["HOLDFAST_SALE"]
RUN = uuid.uuid4().hex[:8]
EXPIRES_S = int(time.time()) + 3600
# Who was granted which hold, and who bought what: the next one to ask for it is its owner.
OWNERS = {}
NUMBERS = itertools.count()


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(user):
    """A session token, as a shop would sign it."""
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": user, "exp": EXPIRES_S}]
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    key = STACK["session_secret"].encode()
    return signed + "." + encoded(hmac.new(key, signed.encode(), hashlib.sha256).digest())


def owner_of(case):
    """Nobody is asked for more than a user may ask: there are enough of them."""
    named = {**(case.path_parameters or {}), **(case.query or {})}
    known = [OWNERS[value] for value in named.values() if isinstance(value, str) and value in OWNERS]
    return known[0] if known else f"buyer-{RUN}-{next(NUMBERS) % 200}"


@schemathesis.auth(cache_by_key=None, refresh_interval=None).apply_to(tag="buyer")
class Buyer:
    def get(self, case, _context):
        return owner_of(case)

    def set(self, case, data, _context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {token(data)}"


@schemathesis.auth(refresh_interval=None).apply_to(tag="operator")
class Operator:
    def get(self, case, _context):
        # schemathesis asks for no token where it left out this one header. Where it left out some of several, it asks, and
        # to give one would put the request right.
        wrong = case.meta is not None and case.meta.is_negative_at(ParameterLocation.HEADER)
        return None if wrong and "Authorization" not in case.headers else STACK["admin_token"]

    def set(self, case, data, _context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


class Signature(requests.auth.AuthBase):
    """Standard Webhooks, over what is really sent. Each header is judged by itself, as it is read: one that is in order is
    made true, one that is wrong stays wrong, and one that was left out stays out, the signature too."""

    def __call__(self, request):
        given = {name: (request.headers.get(name) or "").strip(" \t") for name in ("webhook-id", "webhook-timestamp")}
        if given["webhook-id"]:
            given["webhook-id"] = request.headers["webhook-id"] = f"msg_{uuid.uuid4()}"
        if re.fullmatch("[1-9][0-9]{0,11}", given["webhook-timestamp"]):
            given["webhook-timestamp"] = request.headers["webhook-timestamp"] = str(int(time.time()))
        if "webhook-signature" in request.headers:
            body = request.body or b""
            body = body.encode() if isinstance(body, str) else body
            signed = ".".join(given.values()).encode() + b"." + body
            key = base64.b64decode(STACK["webhook_secret"].removeprefix("whsec_"))
            signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            request.headers["webhook-signature"] = f"v1,{signature}"
        return request


schemathesis.auth.set_from_requests(Signature()).apply_to(tag="gateway")


def positive(case):
    return case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE


@schemathesis.hook
def map_case(_context, case):
    """Three of four requests that are in order are about things that are there."""
    if positive(case) and case.operation.path == "/v1/orders" and "hold_id" in (case.query or {}):
        # A schema cannot say that one parameter goes with no other.
        case.query = {"hold_id": case.query["hold_id"]}
    if not positive(case) or next(NUMBERS) % 4 == 0:
        return case
    for name in case.headers or {}:
        if name.lower() == "idempotency-key":
            case.headers[name] = f"key-{RUN}-{next(NUMBERS)}"
    if isinstance(case.path_parameters, dict) and "sale_id" in case.path_parameters:
        case.path_parameters["sale_id"] = SALE
    if isinstance(case.path_parameters, dict) and "sku_id" in case.path_parameters:
        case.path_parameters["sku_id"] = "a"
    if isinstance(case.body, dict) and case.operation.method.upper() == "POST":
        if "items" in case.body:
            case.body["sale_id"] = SALE
            for line, sku in zip(case.body["items"], "abcdefghij"):
                line["sku_id"] = sku
                line["qty"] = 1 + line["qty"] % 3
        elif "skus" in case.body:
            case.body["sale_id"] = f"made-{RUN}-{next(NUMBERS)}"
            case.body.pop("closes_at", None)
            for number, sku in enumerate(case.body["skus"]):
                sku["sku_id"] = f"sku-{number}"
        elif "delta" in case.body:
            case.body["sale_id"] = SALE
        elif case.body.get("type") == "payment.paid" and OWNERS:
            hold, user = list(OWNERS.items())[next(NUMBERS) % len(OWNERS)]
            case.body["data"].update({"hold_id": hold, "user_id": user})
    return case


@schemathesis.hook
def after_call(_context, case, response):
    if response.status_code == 201 and case.operation.path == "/v1/reservations":
        sent = case.headers.get("Authorization", "").split(".")
        claims = json.loads(base64.urlsafe_b64decode(sent[1] + "=="))
        OWNERS[response.json()["hold_id"]] = claims["sub"]
