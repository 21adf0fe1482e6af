#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that what a build used comes from the packages that setup.sh installs.

Asks ninja which headers, programs and libraries the finished build in BUILD
read, asks dpkg who owns them, and complains about every owner that is neither
in the list nor needed by a package of the list (a machine that happens to have
more installed would hide that from everybody else). Also checks that
docs/dependencies.md names every package.

usage: check-packages.py [--packages FILE] [--docs FILE] BUILD
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
INFO = "/var/lib/dpkg/info"
# What the scripts and the tests call besides what ninja calls.
PROGRAMS = ["bash", "cmake", "git", "ninja", "pkg-config", "readelf", "objdump",
            "strip", "/usr/bin/python3", "/usr/lib/llvm-19/bin/FileCheck",
            "/usr/lib/llvm-19/build/utils/lit/lit.py"]


def output(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          check=True).stdout


def installed():
    """name -> (essential, names it needs), and virtual name -> providers."""
    needs, provided = {}, {}
    rows = output("dpkg-query", "-W", "-f",
                  "${Package}\t${db:Status-Status}\t${Essential}\t${Provides}"
                  "\t${Pre-Depends}, ${Depends}\n")
    for row in rows.splitlines():
        name, status, essential, provides, depends = row.split("\t")
        if status != "installed":
            continue
        words = {re.match(r"\s*([^\s:(]*)", part)[1]
                 for part in re.split("[,|]", depends)}
        old = needs.get(name, (False, set()))
        needs[name] = (essential == "yes", words | old[1])
        for part in provides.split(","):
            virtual = re.match(r"\s*([^\s:(]*)", part)[1]
            if virtual:
                provided.setdefault(virtual, set()).add(name)
    return needs, provided


def closure(listed):
    """The listed and the essential packages and all that they need."""
    needs, provided = installed()
    todo = set(listed) | {name for name in needs if needs[name][0]}
    done = set()
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        todo |= provided.get(name, set())
        todo |= needs.get(name, (False, set()))[1]
    return done & set(needs)


def spellings(path):
    """The names under which dpkg may know a file: links, and /lib in /usr."""
    real = os.path.realpath(path)
    names = {os.path.normpath(path), real}
    names |= {os.path.join(os.path.realpath(os.path.dirname(path)),
                           os.path.basename(path))}
    return names | {n[4:] for n in names if n.startswith(("/usr/lib", "/usr/bin", "/usr/sbin"))}


def used_by(build):
    """Absolute paths of the headers, programs and libraries of the build."""
    inside = os.path.realpath(ROOT) + os.sep
    found = set()
    for line in output("ninja", "-C", build, "-t", "deps").splitlines():
        if line.startswith("    /"):
            found.add(line.strip())
    commands = output("ninja", "-C", build, "-t", "commands")
    for word in set(re.findall(r"(?<![\w=])/[\w./+-]+", commands)):
        if word.startswith(("/usr/", "/lib/")) and os.path.isfile(word):
            found.add(word)
    with open(os.path.join(build, "CMakeCache.txt")) as cache:
        found.update(re.findall(
            r"^(?:CMAKE_\w+|FOVEA_\w+):(?:FILEPATH|STRING)=(/usr/\S+)$",
            cache.read(), re.M))
    for program in PROGRAMS:
        path = shutil.which(program)
        if path is None:
            sys.exit(f"check-packages: {program} is not installed")
        found.add(path)
    return {path for path in found
            if not os.path.realpath(path).startswith(inside)
            and os.path.isfile(path)
            and not path.startswith(os.path.realpath(build))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", default=os.path.join(
        ROOT, "tools", "scripts", "packages.txt"))
    parser.add_argument("--docs", default=os.path.join(
        ROOT, "docs", "dependencies.md"))
    parser.add_argument("build")
    args = parser.parse_args()

    with open(args.packages) as stream:
        listed = {line.split()[1] for line in stream
                  if line.strip() and not line.startswith("#")}
    faults = []
    with open(args.docs) as stream:
        table = [line.split("|")[1] for line in stream
                 if line.startswith("|")]
    documented = set(re.findall(r"`([^`]+)`", " ".join(table)))
    for name in sorted(documented ^ listed):
        where = args.docs if name in listed else args.packages
        faults.append(f"{name} is missing in {os.path.relpath(where)}")

    allowed = closure(listed)
    owned = set()
    for name in os.listdir(INFO):
        if name.endswith(".list") and \
                name[:-5].split(":")[0] in allowed:
            with open(os.path.join(INFO, name)) as stream:
                owned.update(stream.read().split("\n"))
    used = used_by(args.build)
    strangers = sorted(p for p in used if not spellings(p) & owned)
    # One file per folder names the owner; asking dpkg for each is slow.
    folders = {os.path.dirname(path): path for path in reversed(strangers)}
    for path in folders.values():
        owner = "no package"
        for name in sorted(spellings(path)):
            done = subprocess.run(["dpkg", "-S", name], capture_output=True,
                                  text=True, check=False)
            if done.returncode == 0:
                owner = done.stdout.split(":")[0]
        faults.append(f"{path} belongs to {owner}, which "
                      f"{os.path.basename(args.packages)} does not bring")
    for fault in faults:
        print(f"check-packages: {fault}")
    print(f"check-packages: {len(used)} files of {len(listed)} listed packages "
          f"and what they need, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
