"""cleanvision over a folder, in an interpreter of its own; prints seconds, what it found, and its peak memory as JSON.

Started by ``benchmarks/audit.py --peer PYTHON``; imports nothing of this project.
"""

from __future__ import annotations

import json
import resource
import sys
import time


def main(folder: str, workers: int) -> None:
    """Look for duplicates and near-duplicates, and then for all its kinds of issues."""
    from cleanvision import Imagelab

    found = {}
    for name, issues in (("duplicates", {"exact_duplicates": {}, "near_duplicates": {}}), ("all", None)):
        lab = Imagelab(data_path=folder)
        start = time.perf_counter()
        lab.find_issues(issue_types=issues, n_jobs=workers, verbose=False)
        found[name] = time.perf_counter() - start
        found["near"] = int(lab.issues["is_near_duplicates_issue"].sum())
        found["exact"] = int(lab.issues["is_exact_duplicates_issue"].sum())
    peak = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({**found, "peak": max(peak) * 1024}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
