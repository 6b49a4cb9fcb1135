"""The file of features: what a gateway makes of it, at the start and when it is told to look again."""
import json
import signal

from calls import call, good, show, started
from leat import LOOPS, Program, check, same, until

MODEL = {"base_url": "http://model.invalid/v1", "model": "large", "api_key_env": "SOME_KEY"}


def _write(leat, features):
    path = leat.file("features.json")
    with open(path, "w") as file:
        file.write(features if isinstance(features, str) else json.dumps({"features": features}))
    return path


def _lines(gateway, event):
    lines = [json.loads(line) for line in gateway.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def _reload(gateway, event="features"):
    before = len(_lines(gateway, event))
    gateway.signal(signal.SIGHUP)
    until(lambda: len(_lines(gateway, event)) > before, 10, event)
    return _lines(gateway, event)[-1]


def _talk(leat, code):
    """A task of the type talk."""
    return leat.task(code).replace("generate_messages", "talk", 1)


def _ids(gateway):
    return [f["id"] for f in good(call(gateway, "GET", "/features"))["features"]]


def _knows(gateway, ids):
    """A loop is told a moment after the line; which one answers is the kernel's choice."""
    until(lambda: all(_ids(gateway) == ids for _ in range(4 * LOOPS)), 10, lambda: f"{ids}, not {_ids(gateway)}")


def a_wrong_file_stops_the_start_and_is_told_in_one_line(leat):
    path = _write(leat, {"support": {"temprature": 1}})
    for file, words in ((path, "features.support.temprature: is not known"),
                        (leat.file("nowhere.json"), "No such file")):
        program = Program(leat, "leat-api", {"API_PORT": "0", **leat.redis_settings(), "FEATURES_FILE": file})
        same(program.wait(8), 2, "exit code")
        told = [line for line in program.log().splitlines() if not line.startswith("{")]
        same(len(told), 1, f"lines: {told}")
        check(f"FEATURES_FILE: {file}: " in told[0] and words in told[0], told[0])


def a_file_is_read_again_at_sighup_and_a_wrong_one_changes_nothing(leat):
    path = _write(leat, {"b": {"description": "Second"}, "a": {"models": [MODEL], "system": "Be brief."}})
    gateway = leat.gateway(FEATURES_FILE=path, API_LOOPS="2")
    same(_lines(gateway, "features")[0]["count"], 2, "at the start")
    answer = call(gateway, "GET", "/features")
    same(good(answer)["features"],
         [{"id": "a", "description": "", "task": "chat", "model": "large"},
          {"id": "b", "description": "Second", "task": "generate_messages", "model": None}], "features")
    models = good(call(gateway, "GET", "/v1/models"))
    same((models["object"], [m["id"] for m in models["data"]]), ("list", ["a", "b"]), "models")
    for word in ("model.invalid", "SOME_KEY", "brief"):
        check(word not in json.dumps([answer.json(), models]) and word not in gateway.log(), f"{word} is told")
    _write(leat, '{"features": {"c": {}')
    refused_line = _reload(gateway, "features_refused")
    check("is not valid JSON" in refused_line["why"] and path in refused_line["why"], f"{refused_line}")
    _knows(gateway, ["a", "b"])
    _write(leat, {"c": {}})
    same(_reload(gateway)["count"], 1, "features")
    _knows(gateway, ["c"])
    _write(leat, {})
    _reload(gateway)
    _knows(gateway, [])


def without_a_file_everything_is_as_before_and_sighup_is_harmless(leat):
    gateway = leat.gateway()
    leat.worker(TASK_MESSAGE_COUNT="2", TASK_MESSAGE_INTERVAL_MS="1")
    same(good(call(gateway, "GET", "/features")), {"features": []}, "features")
    same(good(call(gateway, "GET", "/v1/models")), {"object": "list", "data": []}, "models")
    same(_reload(gateway)["count"], 0, "features")
    stream = gateway.post("c").wait_done()
    job = show(gateway, stream.job())
    same((job["type"], job["queue"], "timeout_ms" in job), ("generate_messages", "default", False), f"{job}")


def a_features_jobs_have_its_type_its_queue_and_its_limits(leat):
    path = _write(leat, {"support": {"task": "talk", "queue": "llm", "timeout_ms": 7000, "deadline_ms": 8000,
                                     "max_attempts": 2}})
    gateway = leat.gateway(FEATURES_FILE=path)
    leat.worker(_talk(leat, "say({'type': job['type']})\n"), WORKER_QUEUES="llm")
    stream = gateway.post("c", {"q": 1}, feature="support").wait_done()
    same([json.loads(m)["type"] for m in stream.messages()], ["talk"], "messages")
    wanted = {"type": "talk", "queue": "llm", "timeout_ms": 7000, "deadline_ms": 8000, "max_attempts": 2}
    job = show(gateway, stream.job())
    same({k: job.get(k) for k in wanted}, wanted, f"of {job}")
    body = b'{"type": "talk", "feature_id": "support", "chat_id": "c", "payload": {"q": 1}}'
    joined = call(gateway, "POST", "/jobs", body)
    same((good(joined, 202)["id"], joined.header("Leat-Attached")), (stream.job(), "true"), "the same question")
    other = show(gateway, started(gateway, feature_id="support", type="talk", timeout_ms=5000, delay_ms=60_000))
    same([other[k] for k in ("queue", "timeout_ms", "deadline_ms", "max_attempts")], ["llm", 5000, 8000, 2],
         "what the request asks goes first")
    plain = show(gateway, started(gateway, feature_id="other", delay_ms=60_000))
    same((plain["type"], plain["queue"]), ("generate_messages", "default"), "a feature that is not in the file")


def a_route_goes_before_the_queue_of_the_file(leat):
    gateway = leat.gateway(FEATURES_FILE=_write(leat, {"support": {"queue": "llm"}}))
    good(call(gateway, "PUT", "/routes/support", {"queue": "slow"}))
    same(show(gateway, started(gateway, feature_id="support"))["queue"], "slow", "with a route")
    good(call(gateway, "DELETE", "/routes/support"))
    same(show(gateway, started(gateway, feature_id="support"))["queue"], "llm", "without")


def a_retried_and_a_scheduled_job_go_to_the_queue_of_their_feature(leat):
    gateway = leat.gateway(FEATURES_FILE=_write(leat, {"support": {"task": "talk", "queue": "llm", "max_attempts": 1}}))
    leat.worker(_talk(leat, "sys.exit(3)\n"), WORKER_QUEUES="llm")
    first = started(gateway, feature_id="support", type="talk")
    leat.wait_state(first, "dead")
    again = good(call(gateway, "POST", f"/jobs/{first}/retry"), 202)["id"]
    leat.wait_state(again, "dead")
    same([show(gateway, again)[k] for k in ("queue", "type", "max_attempts")], ["llm", "talk", 1], "retried")
    good(call(gateway, "PUT", "/schedules/s", {"type": "talk", "feature_id": "support", "every_ms": 1000}), 201)
    until(lambda: good(call(gateway, "GET", "/schedules/s")).get("last_job"), 10, "an occasion")
    job = good(call(gateway, "GET", "/schedules/s"))["last_job"]
    same([show(gateway, job)[k] for k in ("queue", "type", "max_attempts")], ["llm", "talk", 1], "scheduled")
    good(call(gateway, "DELETE", "/schedules/s"))
