"""calls.py: the calls of the jobs API, as the stories make them."""
import json

from leat import check, problem, same

TYPE = "generate_messages"


def call(gateway, method, path, body=None, headers=(), **options):
    """One call, with a body that is made JSON unless it is bytes."""
    headers = list(headers)
    if body is not None:
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if not any(n.lower() == "content-type" for n, _ in headers):
            headers.append(("Content-Type", "application/json"))
    return gateway.request(method, path, headers, body, **options)


def good(answer, status=200):
    """The JSON of an answer that has this status."""
    same(answer.status, status, f"status of {answer.describe()}")
    same(answer.header("Content-Type"), "application/json", "content type")
    return answer.json()


def refused(answer, status, kind, word=""):
    """A problem of this type, whose detail holds a word."""
    body = problem(answer, status)
    same(body["type"], "urn:leat:problem:" + kind, f"type of {body}")
    check(word in body["detail"], f"{word!r} in the detail: {body}")
    return body


def start(gateway, query="", headers=(), **members):
    """POST /jobs; the members are the body's, `type` is generate_messages unless given."""
    return call(gateway, "POST", "/jobs" + query, {"type": TYPE, **members}, headers)


def started(gateway, query="", headers=(), **members):
    """The id of a job that was put in."""
    return good(start(gateway, query, headers, **members), 202)["id"]


def show(gateway, job):
    return good(call(gateway, "GET", f"/jobs/{job}"))


def page(gateway, state, **query):
    more = "".join(f"&{k}={v}" for k, v in query.items())
    return good(call(gateway, "GET", f"/jobs?state={state}{more}"))


def pages(gateway, state, **query):
    """All jobs in a state, page by page, and how many pages there were."""
    jobs, count = [], 0
    while True:
        one = page(gateway, state, **query)
        jobs, count = jobs + one["jobs"], count + 1
        if one["cursor"] is None:
            return jobs, count
        query["cursor"] = one["cursor"]
