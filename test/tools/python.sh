#!/bin/sh
# Puts librdkafka's Python client into a virtual environment below .cache/venv, unless it is there. Prints the interpreter's path.
set -eu

version=2.16.1
root=$(cd "$(dirname "$0")/../.." && pwd)
venv="$root/.cache/venv/confluent-kafka-$version"

if [ -f "$venv/.complete" ]; then
	echo "$venv/bin/python"
	exit 0
fi
command -v python3 >/dev/null || { echo "python.sh: missing: python3 (on Debian or Ubuntu: apt-get install -y python3 python3-venv)" >&2; exit 1; }
python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "python.sh: missing: Python's venv module (on Debian or Ubuntu: apt-get install -y python3-venv)" >&2; exit 1; }

# A folder without .complete is left over from an interrupted install and is made anew.
rm -rf "$venv"
mkdir -p "$root/.cache/venv"
python3 -m venv "$venv" >&2
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "confluent-kafka==$version" >&2 ||
	{ echo "python.sh: pip could not install confluent-kafka $version; a package index must be reachable (see pip config)" >&2; exit 1; }
touch "$venv/.complete"
echo "$venv/bin/python"
