// SPDX-License-Identifier: Apache-2.0
//
// Runs Kubernetes' own scheduling specs against steelyard; the standard library
// is enough for that. The suite itself is built from suite/go.mod.
module steelyard.dev/hack/e2e-upstream

go 1.26.0
