#!/usr/bin/env bash
# Installs what the tests need: Java and Maven from the distribution if this may be done here, Kafka's jars, a Python environment with librdkafka's client, and
# an S3 server, all three below .cache. What cannot be installed is named.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
missing=()
command -v java >/dev/null || missing+=(default-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
command -v gcc >/dev/null || missing+=(gcc libc6-dev) # the race detector links with it
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
  else
    echo "missing: ${missing[*]}; on Debian or Ubuntu: sudo apt-get install -y ${missing[*]}" >&2
    exit 1
  fi
fi
"$here/kafka.sh" >/dev/null
"$here/python.sh" >/dev/null
"$here/versitygw.sh" >/dev/null
