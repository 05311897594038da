"""What the drivers share: clients of the official SDKs at the simulator, waiting, and expecting documented errors."""

import os
import sys
import urllib.request

from alibabacloud_tea_openapi import models as openapi

ENDPOINT = os.environ["SIMULATOR"].removeprefix("http://")
REGION = "cn-hangzhou"
KEY, SECRET = "testid", "testsecret"
SCHEMES = {"acs3": None, "rpc-v1": "v2"}


def config(scheme, **other):
    """The SDK's configuration for a scheme of signing."""
    fields = dict(
        access_key_id=KEY, access_key_secret=SECRET, endpoint=ENDPOINT, region_id=REGION, protocol="HTTP",
        signature_algorithm=SCHEMES[scheme],
    )
    return openapi.Config(**{**fields, **other})


def until(what, look, wanted):
    """Looks until it is what is wanted. The cloud's clock stands still but for this."""
    for _ in range(100):
        seen = look()
        if seen == wanted:
            return
        advance = urllib.request.Request(f"http://{ENDPOINT}/-/advance", b'{"millis": 50}', method="POST")
        urllib.request.urlopen(advance).close()
    sys.exit(f"{what}: {seen!r} is still not {wanted!r}")


def refused(code, call, status=None):
    """The call has to fail with this code."""
    try:
        answer = call()
    except Exception as error:  # the SDKs have several classes
        seen = getattr(error, "code", None)
        assert seen == code, f"{code} expected, not {seen}: {error}"
        is_status = getattr(error, "statusCode", None)
        assert status is None or is_status is None or is_status == status, f"{code}: HTTP {is_status}, not {status}"
        return error
    sys.exit(f"{code} expected, but it answered {answer}")


def lifecycles(run):
    """Runs a lifecycle with each scheme that the SDK signs with."""
    for scheme in SCHEMES:
        run(scheme)
        print("ok", os.path.basename(sys.argv[0]), scheme)
