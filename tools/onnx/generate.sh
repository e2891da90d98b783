#!/usr/bin/env bash
# Writes Sources/Exporting/onnx.pb.swift from onnx.proto. Run by hand after a change of it; the result is committed.
#   generate.sh PLUGIN    the protoc-gen-swift of the swift-protobuf version in Package.swift:
#                         swift build --product protoc-gen-swift in a checkout of it
# protoc comes from PROTOC, or from PyPI's grpcio-tools (PROTOC="python3 -m grpc_tools.protoc").
set -euo pipefail
[ $# = 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2086
${PROTOC:-protoc} --plugin=protoc-gen-swift="$1" -I "$here" \
    --swift_opt=Visibility=Internal --swift_opt=UseAccessLevelOnImports=true \
    --swift_out="$here/../../Sources/Exporting" "$here/onnx.proto"
