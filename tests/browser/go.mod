// SPDX-License-Identifier: Apache-2.0
module steelyard.dev/tests/browser

go 1.26.0
