// SPDX-License-Identifier: Apache-2.0
//
// The command line of the local control plane. It needs only the standard
// library; what it builds and starts is listed in tools/*/go.mod.
module steelyard.dev/hack/cluster

go 1.26.0
