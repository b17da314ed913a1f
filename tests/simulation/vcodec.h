/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes of the virtual API server: objects, lists and watch frames, protobuf or JSON, as the real
 * one sends them. Field numbers: k8s.io/api core/v1, k8s.io/apimachinery generated.proto. */
#pragma once

#include "vapi.h"

/* The object without envelope; borrowed from the version. */
struct sy_str vcodec_object(struct version *v, enum vlie lie, enum sy_encoding enc);
/* A watch frame around an object's bytes; type: "ADDED" and so on. */
void vcodec_frame(struct sy_buf *out, enum sy_encoding enc, const char *type, const char *kind,
                  const char *api_version, struct sy_str object);
/* An object that has metadata only. */
void vcodec_bare(struct sy_buf *out, enum sy_encoding enc, const char *kind,
                 const char *api_version, const char *name, uint64_t rv, bool ends_initial);
void vcodec_status(struct sy_buf *out, enum sy_encoding enc, int status, const char *reason,
                   uint32_t retry_after_s);
/* What comes before the items of a list, and what follows them. items_len: bytes of all items with
 * what vcodec_item_head() puts before each. */
void vcodec_list_head(struct sy_buf *out, enum sy_encoding enc, const char *kind,
                      const char *api_version, uint64_t rv, size_t items_len);
void vcodec_item_head(struct sy_buf *out, enum sy_encoding enc, size_t len, bool is_first);
void vcodec_list_tail(struct sy_buf *out, enum sy_encoding enc);
/* "k8s\0" and runtime.Unknown. */
void vcodec_envelope(struct sy_buf *out, const char *kind, const char *api_version,
                     struct sy_str raw);
