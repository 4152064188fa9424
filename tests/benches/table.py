"""The table in which the benches show the times of several ways to do one thing."""

import statistics


def table(what, times, base, name):
    """Prints median, least and most of each way, and its median as a multiple of that of `base`, which is called `name`."""
    of_base = statistics.median(times[base])
    print(f"\n| {what} | seconds | least | most | times {name} |\n|---|---|---|---|---|")
    for way, taken in times.items():
        median = statistics.median(taken)
        print(f"| {way} | {median:.2f} | {min(taken):.2f} | {max(taken):.2f} | {median / of_base:.2f} |")
