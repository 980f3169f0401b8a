#!/usr/bin/env bash
# Puts Apache Kafka (server, tools, clients) below .cache/kafka/libs by Maven, unless it is there. Prints the class path.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
libs="$root/.cache/kafka/libs"
version=4.3.1
for tool in java mvn; do
  command -v "$tool" >/dev/null || { echo "missing: $tool (on Debian or Ubuntu: apt-get install -y default-jdk-headless maven)" >&2; exit 1; }
done
if [ ! -f "$libs/.$version" ]; then
  mkdir -p "$libs"
  mvn -q -B -f "$root/test/tools/kafka-pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs" -DincludeScope=runtime >&2
  touch "$libs/.$version"
fi
echo "$libs/*"
