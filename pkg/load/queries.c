/* SPDX-License-Identifier: Apache-2.0 */
#include "load/queries.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { PROMQL_MAX_BYTES = 64 << 10 };

static const char LABEL_MARK[] = "$joinLabel";

static const char *const NAMES[SY_LOAD_QUERIES] = {
    [SY_LOAD_CPU] = "cpu",
    [SY_LOAD_MEMORY] = "memory",
    [SY_LOAD_EPHEMERAL] = "ephemeralStorage",
    [SY_LOAD_GPU] = "gpu",
    [SY_LOAD_GPU_MEMORY] = "gpuMemory",
    [SY_LOAD_NETWORK] = "network",
    [SY_LOAD_XID] = "xid",
};

#define CPU_BUSY "sum by ($joinLabel) (rate(node_cpu_seconds_total{mode!=\"idle\"}[2m]))"
#define CPU_ALL  "sum by ($joinLabel) (rate(node_cpu_seconds_total[2m]))"

/* Of the machine's own network devices, so that nothing is counted twice. */
#define DEVICES "{device=~\"(eth|en|ib|wl).*\"}"

/* The busier direction of a link, which is as fast in both. */
#define RECEIVED    "sum by ($joinLabel) (rate(node_network_receive_bytes_total" DEVICES "[2m]))"
#define TRANSMITTED "sum by ($joinLabel) (rate(node_network_transmit_bytes_total" DEVICES "[2m]))"
#define SPEED       "sum by ($joinLabel) (node_network_speed_bytes" DEVICES " > 0)"

#define FB_USED "sum by ($joinLabel) (DCGM_FI_DEV_FB_USED)"
#define FB_FREE "sum by ($joinLabel) (DCGM_FI_DEV_FB_FREE)"

static const struct {
    const char *promql, *time_promql;
    bool is_dcgm;
    enum sy_load_unit unit;
    int64_t window_ns;
} DEFAULTS[SY_LOAD_QUERIES] = {
    /* A quotient of rates, and not 1 - rate(idle): the rate of a series that is younger than the
     * range is too low, and a new node would look busy. */
    [SY_LOAD_CPU] = {.promql = CPU_BUSY " / " CPU_ALL,
                     .time_promql = "max by ($joinLabel) (timestamp(node_cpu_seconds_total))",
                     .unit = SY_LOAD_SHARE,
                     .window_ns = 120 * SY_NS_PER_S},
    [SY_LOAD_MEMORY] = {.promql = "max by ($joinLabel) (1 - node_memory_MemAvailable_bytes / "
                                  "node_memory_MemTotal_bytes)",
                        .time_promql =
                            "max by ($joinLabel) (timestamp(node_memory_MemAvailable_bytes))",
                        .unit = SY_LOAD_SHARE},
    [SY_LOAD_EPHEMERAL] =
        {.promql = "max by ($joinLabel) (1 - node_filesystem_avail_bytes{mountpoint=\"/\"} / "
                   "node_filesystem_size_bytes{mountpoint=\"/\"})",
         .time_promql =
             "max by ($joinLabel) (timestamp(node_filesystem_avail_bytes{mountpoint=\"/\"}))",
         .unit = SY_LOAD_SHARE},
    [SY_LOAD_NETWORK] =
        {.promql = "(" RECEIVED " > " TRANSMITTED " or " TRANSMITTED ") / " SPEED,
         .time_promql =
             "max by ($joinLabel) (timestamp(node_network_receive_bytes_total" DEVICES "))",
         .unit = SY_LOAD_SHARE,
         .window_ns = 120 * SY_NS_PER_S},
    /* A mean is as old as the oldest of what it is of. */
    [SY_LOAD_GPU] = {.promql = "avg by ($joinLabel) (DCGM_FI_DEV_GPU_UTIL)",
                     .time_promql = "min by ($joinLabel) (timestamp(DCGM_FI_DEV_GPU_UTIL))",
                     .is_dcgm = true,
                     .unit = SY_LOAD_PERCENT},
    [SY_LOAD_GPU_MEMORY] = {.promql = FB_USED " / (" FB_USED " + " FB_FREE ")",
                            .time_promql = "min by ($joinLabel) (timestamp(DCGM_FI_DEV_FB_USED))",
                            .is_dcgm = true,
                            .unit = SY_LOAD_SHARE},
    [SY_LOAD_XID] = {.promql = "max by ($joinLabel) (DCGM_FI_DEV_XID_ERRORS)",
                     .is_dcgm = true,
                     .unit = SY_LOAD_AMOUNT},
};

const char *sy_load_query_name(uint32_t query)
{
    return NAMES[query];
}

static char *with_label(const char *promql, const char *label)
{
    struct sy_buf out;
    const char *mark;

    sy_buf_init(&out, PROMQL_MAX_BYTES);
    while ((mark = strstr(promql, LABEL_MARK))) {
        sy_buf_add(&out, promql, (size_t)(mark - promql));
        sy_buf_adds(&out, label);
        promql = mark + sizeof(LABEL_MARK) - 1;
    }
    sy_buf_adds(&out, promql);
    char *text = sy_buf_take(&out);
    /* One that is too long fails at the server, and so is told. */
    return text ? text : sy_xstrdup("");
}

void sy_load_asked_init(struct sy_load_asked *ret, const struct sy_load_source *source,
                        uint32_t query)
{
    const struct sy_load_query *q = &source->queries[query];
    bool is_dcgm = DEFAULTS[query].is_dcgm;
    const char *promql = q->promql ? q->promql : DEFAULTS[query].promql;
    const char *time_promql = q->promql ? q->time_promql : DEFAULTS[query].time_promql;
    char *of_selector = NULL;

    *ret = (struct sy_load_asked){
        .unit = q->promql ? q->unit : DEFAULTS[query].unit,
        .window_ns = q->promql ? q->window_ns : DEFAULTS[query].window_ns,
    };
    const char *label = is_dcgm ? "Hostname" : "instance";
    ret->join_by = is_dcgm ? SY_LOAD_BY_HOSTNAME : SY_LOAD_BY_INTERNAL_IP;
    if (q->join_label || source->join_label) {
        label = q->join_label ? q->join_label : source->join_label;
        ret->join_by = q->join_label ? q->join_by : source->join_by;
    }
    if (!time_promql && query != SY_LOAD_XID)
        time_promql = of_selector = sy_xasprintf("timestamp(%s)", promql);
    ret->join_label = sy_xstrdup(label);
    ret->promql = with_label(promql, label);
    ret->time_promql = time_promql ? with_label(time_promql, label) : NULL;
    free(of_selector);
}

void sy_load_asked_done(struct sy_load_asked *q)
{
    free(q->promql);
    free(q->time_promql);
    free(q->join_label);
    *q = (struct sy_load_asked){0};
}

int sy_load_url_escape(struct sy_buf *out, const char *text)
{
    static const char PLAIN[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *text; text++) {
        if (strchr(PLAIN, *text))
            sy_buf_addc(out, *text);
        else
            sy_buf_addf(out, "%%%02X", (unsigned char)*text);
    }
    return out->failed;
}
