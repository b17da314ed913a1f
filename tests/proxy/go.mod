// SPDX-License-Identifier: Apache-2.0
module steelyard.dev/tests/proxy

go 1.26.0
