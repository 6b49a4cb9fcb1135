"""Browsers of other origins: the allow-list, preflights and Vary."""
from leat import check, problem, same, target

ONE, TWO = "https://one.example", "http://localhost:3000"


def _origin(value):
    return [("Origin", value)]


def _preflight(gateway, origin, method="POST", wanted="content-type,idempotency-key,last-event-id"):
    return gateway.request("OPTIONS", target("c"), [("Origin", origin), ("Access-Control-Request-Method", method),
                                                    ("Access-Control-Request-Headers", wanted)])


def without_the_setting_no_origin_is_allowed(leat):
    gateway = leat.gateway()
    stream = gateway.post("c", headers=_origin(ONE)).wait_head()
    same(stream.header("Access-Control-Allow-Origin"), None, "Access-Control-Allow-Origin")
    same(_preflight(gateway, ONE).header("Access-Control-Allow-Origin"), None, "of a preflight")


def listed_origins_are_allowed_and_others_are_not(leat):
    gateway = leat.gateway(API_CORS_ORIGINS=f"{ONE},{TWO}")
    for origin in (ONE, TWO):
        stream = gateway.post("c", headers=_origin(origin)).wait_head()
        same(stream.header("Access-Control-Allow-Origin"), origin, "Access-Control-Allow-Origin")
        check("Origin" in (stream.header("Vary") or ""), f"Vary: {stream.headers}")
        exposed = (stream.header("Access-Control-Expose-Headers") or "").lower()
        for name in ("leat-job", "leat-attached", "location"):
            check(name in exposed, f"{name} can be read by a script: {exposed!r}")
    for origin in ("https://two.example", "https://one.example.evil", "http://one.example", "null",
                   "https://one.exampl", ONE + ":443", f"{ONE},{TWO}"):
        stream = gateway.post("c", headers=_origin(origin)).wait_head()
        same(stream.header("Access-Control-Allow-Origin"), None, f"for {origin}")
        check("Origin" in (stream.header("Vary") or ""), f"Vary for {origin}: {stream.headers}")
    stream = gateway.post("c").wait_head()
    check("Origin" in (stream.header("Vary") or ""), f"Vary without an origin: {stream.headers}")


def preflights_are_answered(leat):
    gateway = leat.gateway(API_CORS_ORIGINS=ONE)
    for method in ("POST", "DELETE", "GET"):
        answer = _preflight(gateway, ONE, method)
        check(answer.status in (200, 204), f"status: {answer.describe()}")
        same(answer.header("Access-Control-Allow-Origin"), ONE, "Access-Control-Allow-Origin")
        methods = answer.header("Access-Control-Allow-Methods") or ""
        check(method in methods, f"{method} in {methods!r}")
        allowed = (answer.header("Access-Control-Allow-Headers") or "").lower()
        for name in ("content-type", "idempotency-key", "last-event-id"):
            check(name in allowed, f"{name} in {allowed!r}")
        check(int(answer.header("Access-Control-Max-Age") or 0) > 0, "a preflight is remembered")
        check("Origin" in (answer.header("Vary") or ""), f"Vary: {answer.headers}")
    same(_preflight(gateway, "https://two.example").header("Access-Control-Allow-Origin"), None,
         "a preflight of another origin")
    same(leat.redis("EXISTS", "chat:f:c"), 0, "a preflight starts nothing")


def errors_can_be_read_by_an_allowed_origin_too(leat):
    gateway = leat.gateway(API_CORS_ORIGINS=ONE)
    for answer, status in ((gateway.request("GET", "/stream", _origin(ONE)), 400),
                           (gateway.request("DELETE", target("c"), _origin(ONE)), 404),
                           (gateway.request("GET", "/nothing", _origin(ONE)), 404)):
        problem(answer, status)
        same(answer.header("Access-Control-Allow-Origin"), ONE, f"of {answer.describe()}")
    answer = gateway.request("GET", target("nobody"), _origin(ONE))
    same((answer.status, answer.header("Access-Control-Allow-Origin")), (204, ONE), "of a 204")


def a_star_allows_any_origin_without_credentials(leat):
    gateway = leat.gateway(API_CORS_ORIGINS="*")
    stream = gateway.post("c", headers=_origin("https://any.example")).wait_head()
    check(stream.header("Access-Control-Allow-Origin") in ("*", "https://any.example"), f"{stream.headers}")
    same(stream.header("Access-Control-Allow-Credentials"), None, "credentials")
