#!/bin/sh
# Installs the S3 server that the storage tests run against into .cache/bin, unless it is there already.
# It is a process of its own with a folder behind it: a second opinion on S3 beside the fake that runs in process.
# INKWELL_TEST_VERSITYGW names a binary that is somewhere else.
set -eu

version=v1.8.0
root=$(cd "$(dirname "$0")/../.." && pwd)
bin="$root/.cache/bin"

if [ -n "${INKWELL_TEST_VERSITYGW:-}" ]; then
	[ -x "$INKWELL_TEST_VERSITYGW" ] || { echo "versitygw.sh: INKWELL_TEST_VERSITYGW=$INKWELL_TEST_VERSITYGW cannot be executed" >&2; exit 1; }
	echo "$INKWELL_TEST_VERSITYGW"
	exit 0
fi
if [ -x "$bin/versitygw" ]; then
	echo "$bin/versitygw"
	exit 0
fi
command -v go >/dev/null || { echo "versitygw.sh: go is not in PATH; install Go, or set INKWELL_TEST_VERSITYGW to a versitygw $version binary" >&2; exit 1; }

# Built into a folder beside the target and moved: an interrupted build leaves nothing that looks installed.
mkdir -p "$bin"
tmp=$(mktemp -d "$bin/.versitygw.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
echo "versitygw.sh: compiling versitygw $version, a few minutes the first time" >&2
# Outside this module, so that go install takes its dependencies from its own go.mod; GOFLAGS=-mod=… would break that.
cd "$tmp"
CGO_ENABLED=0 GOFLAGS= GOBIN="$tmp" nice go install "github.com/versity/versitygw/cmd/versitygw@$version"
mv "$tmp/versitygw" "$bin/versitygw"
echo "$bin/versitygw"
