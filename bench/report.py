"""The figures: printed as they come, each beside its budget, and kept for the JSON file."""

import datetime
import os

# must and aim, in the figure's unit. Source: the design's budgets (docs/architecture.md). On the fake runtime a pod's
# start lacks the 0.11 s that a real runtime takes, so the budget for one pod is what it leaves to the agent. Seeing a
# container's exit is part of restarting it, so that the restart is held to the budget of seeing it.
BUDGETS = {
    "rss-100": (24, 16),
    "anonymous-100": (8, 5),
    "idle-cpu-0": (0.1, 0.05),
    "idle-cpu-100": (0.4, 0.2),
    "batch-cpu-100": (0.6, 0.3),
    "delete-cpu-100": (0.4, 0.2),
    "single-p50": (60, 30),
    "batch-wall-100": (12, 11),
    "batch-median-100": (7, 5.5),
    "delete-wall-100": (10, 8),
    "exit-restart": (100, 50),
    "restart-100": (1, 0.5),
    # In a cluster, less the 0.11 s (start) and 0.08 s (stop) of a real runtime. Requests: a kubelet makes 8 (GET before
    # each patch) and 4 events for such a pod.
    "create-ready": (60, 30),
    "delete-gone": (170, 70),
    "exit-status": (100, 50),
    "probes-http-cpu-100": (2, 1),
    "probes-exec-cpu-100": (1.5, 1),
    "requests": (8, 4.1),
    "event-requests": (4, 4),
}


class Report:
    def __init__(self, program, window):
        self.program = program
        self.window = window
        self.sections = []
        self.problems = []
        self.began = datetime.datetime.now(datetime.timezone.utc)
        self.load = os.getloadavg()[0]
        if self.load > 0.5 * os.cpu_count():
            print(f"note: the machine is busy (load {self.load:.1f} on {os.cpu_count()} cores); times are worth little")

    def section(self, title):
        self.sections.append({"title": title, "figures": []})
        print(f"\n{title}\n{'':2}{'figure':58}{'value':>10}      {'must':>6} {'aim':>6}")

    def add(self, name, value, unit, key=None):
        must, aim = BUDGETS.get(key, (None, None))
        figure = {"name": name, "value": round(value, 4), "unit": unit}
        verdict = ""
        if must is not None:
            verdict = "aim" if value <= aim else "PASS" if value <= must else "over"
            figure.update(must=must, aim=aim, verdict=verdict)
        self.sections[-1]["figures"].append(figure)
        places = 0 if isinstance(value, int) else 3 if value < 10 else 1
        print(f"  {name:58}{value:10.{places}f} {unit:4} {number(must):>6} {number(aim):>6} {verdict}", flush=True)

    def fail(self, problem):
        self.problems.append(problem)
        print(f"  WRONG: {problem}", flush=True)

    def over(self):
        figures = [figure for section in self.sections for figure in section["figures"]]
        return [figure["name"] for figure in figures if figure.get("verdict") == "over"]

    @property
    def good(self):
        return not self.problems and not self.over()

    def conclude(self):
        over = self.over()
        print(f"\n{len(over)} over budget" if over else "\nall within budget")

    def as_json(self):
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "program": self.program,
            "windowSeconds": self.window,
            "cores": os.cpu_count(),
            "kernel": os.uname().release,
            "loadAtStart": round(self.load, 2),
            "sections": self.sections,
            "problems": self.problems,
        }


def number(value):
    return "" if value is None else f"{value:g}"
