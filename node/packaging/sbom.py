#!/usr/bin/env python3
"""Lists the parts of the programs as CycloneDX 1.5.

Reads `cargo metadata` for one target and follows what `noded` and `ctl` link: no tools of the build, no tests. The same
source gives the same bytes: the serial number is made of the list, the time is SOURCE_DATE_EPOCH.

usage: sbom.py TRIPLE
"""

import datetime
import json
import os
import subprocess
import sys
import uuid

PROGRAMS = ("ctl", "node")


def metadata(triple):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", triple]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def links(node):
    """Returns the ids of the packages that a package links."""
    return [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]


def linked(nodes, packages, roots):
    """Returns the ids of what is in the programs; what the compiler alone runs is not."""
    found, open_ids = set(), list(roots)
    while open_ids:
        at = open_ids.pop()
        is_run_by_compiler = any("proc-macro" in target["kind"] for target in packages[at]["targets"])
        if at not in found and not is_run_by_compiler:
            found.add(at)
            open_ids.extend(links(nodes[at]))
    return found


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def checksums():
    """Returns the SHA-256 of each package in Cargo.lock, by name and version."""
    sums, name, version = {}, None, None
    with open("Cargo.lock", encoding="utf-8") as lock:
        for line in lock:
            key, _, value = line.strip().partition(" = ")
            value = value.strip('"')
            if key == "name":
                name = value
            elif key == "version":
                version = value
            elif key == "checksum":
                sums[name, version] = value
    return sums


def component(package, sums):
    part = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
    }
    if package.get("license"):
        part["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = sums.get((package["name"], package["version"]))
    if checksum:
        part["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return part


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: sbom.py TRIPLE")
    cargo = metadata(sys.argv[1])
    packages = {package["id"]: package for package in cargo["packages"]}
    nodes = {node["id"]: node for node in cargo["resolve"]["nodes"]}
    members = set(cargo["workspace_members"])
    roots = [id for id in members if packages[id]["name"] in PROGRAMS]
    ids = sorted(linked(nodes, packages, roots), key=lambda id: reference(packages[id]))
    sums = checksums()
    version = packages[roots[0]]["version"]
    time = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    parts = [component(packages[id], sums) for id in ids]
    tree = [
        {
            "ref": reference(packages[id]),
            "dependsOn": sorted({reference(packages[dep]) for dep in links(nodes[id]) if dep in ids}),
        }
        for id in ids
    ]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([version, sys.argv[1], parts]))
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": f"pkg:generic/sixhop@{version}",
                "name": "sixhop",
                "version": version,
                "purl": f"pkg:generic/sixhop@{version}",
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
            },
        },
        "components": parts,
        "dependencies": [
            {
                "ref": f"pkg:generic/sixhop@{version}",
                "dependsOn": sorted(reference(packages[id]) for id in roots),
            },
            *tree,
        ],
    }
    json.dump(bom, sys.stdout, indent=1)
    print()


main()
