// SPDX-License-Identifier: Apache-2.0
//
// The fake API server: a module of its own, on the standard library only.
module steelyard.dev/tests/fakeapi

go 1.26.0
