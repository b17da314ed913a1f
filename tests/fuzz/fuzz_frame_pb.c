/* SPDX-License-Identifier: Apache-2.0
 *
 * Protobuf framers. The first byte picks list or watch and the size of the pieces; the same input
 * whole must give the same objects and the same end. */
#include "kube/frame.h"

#include "frame_twice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size)
        frame_twice(SY_ENCODING_PROTOBUF, data[0], data + 1, size - 1);
    return 0;
}
