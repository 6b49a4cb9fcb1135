"""report.py: what a scenario found, in bench/results/: its JSON and plots, and scale.md of all of them."""
import json
import os
import subprocess
import time

from measure import machine
from plot import plot

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "results")


def said(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=HERE, text=True,
                          check=False)
    return done.stdout.strip()


def origin():
    """When, on what, and which program, in one line."""
    redis = said("redis-server", "--version").split("v=")[1].split()[0]
    commit = said("git", "describe", "--always", "--dirty") or "unknown"
    return f"{time.strftime('%Y-%m-%d')}, commit {commit}, {machine()}, Redis {redis}"


def path_of(name):
    return os.path.join(RESULTS, f"scale-{name}")


def write(name, found, order):
    """Keep what one scenario found, and make scale.md anew from what is kept of all."""
    os.makedirs(RESULTS, exist_ok=True)
    found["origin"] = origin()
    with open(path_of(name) + ".json", "w") as file:
        json.dump(found, file, ensure_ascii=False)
        file.write("\n")
    for one in found.get("plots", ()):
        plot(path_of(one["name"]) + ".svg", one["title"], one["x"], one["y"], one["lines"])
    pages = []
    for other in order:
        if os.path.exists(path_of(other) + ".json"):
            with open(path_of(other) + ".json") as file:
                pages.append(page(json.load(file)))
    with open(os.path.join(RESULTS, "scale.md"), "w") as file:
        file.write("# bench/scale\n\nMade by `make bench`; everything of a table comes from one run. Ratios travel "
                   "between machines, absolute\nnumbers do not.\n\n" + "\n".join(pages))


def page(found):
    lines = [f"## {found['title']}", "", found["origin"] + ".", ""]
    if "note" in found:
        lines += [found["note"], ""]
    lines += [row(found["head"]), "|" + " --- |" * len(found["head"]), *map(row, found["rows"]), ""]
    for one in found.get("plots", ()):
        lines += [f"![{one['title']}](scale-{one['name']}.svg)", ""]
    return "\n".join(lines)


def row(cells):
    return "| " + " | ".join(cells) + " |"
