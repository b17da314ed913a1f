/* SPDX-License-Identifier: Apache-2.0
 *
 * The dashboard's files, out of the program itself: /ui/ and what it loads. They are the same for
 * everybody and open; the data that they show are behind /steelyard/v1. */
#pragma once

#include "net/server.h"

void sy_ui_add(struct sy_server *server);
