/* SPDX-License-Identifier: Apache-2.0
 *
 * Queues as bookkeeping: random trees, pods and events against models that count everything anew
 * each time and share nothing with the code but its rules. */
#include "cluster/cluster.h"

#include "base/rng.h"
#include "core.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { QUEUES = 10, PODS = 200, NODES = 4, RESOURCES = 3 };

struct model_pod {
    uint32_t slot;
    int queue; /* index in the options, -1: the default queue */
    int64_t asks[RESOURCES];
    bool is_there, is_placed, waits, is_ready;
};

struct model {
    struct core k;
    struct sy_cluster c;
    struct sy_rng rng;
    struct sy_queue_options queues[QUEUES];
    struct sy_queue_resource resources[QUEUES][RESOURCES];
    char names[QUEUES][16], namespaces[QUEUES][16];
    char *namespace_of[QUEUES];
    int parent[QUEUES];
    bool is_leaf[QUEUES];
    struct model_pod pods[PODS];
    int64_t total[RESOURCES];
};

static const char *const RESOURCE[RESOURCES] = {"cpu", "memory", "nvidia.com/gpu"};
static const int64_t UNIT[RESOURCES] = {1000, (int64_t)1 << 30, 1000};
static const int64_t MILLI[RESOURCES] = {1000, ((int64_t)1 << 30) * 1000, 1000};

static int64_t roll(struct model *m, int64_t below)
{
    return (int64_t)sy_rng_below(&m->rng, (uint64_t)below);
}

/* -- a random tree -- */

static void plant(struct model *m)
{
    for (int i = 0; i < QUEUES; i++) {
        struct sy_queue_options *q = &m->queues[i];
        snprintf(m->names[i], sizeof(m->names[i]), "q%d", i);
        snprintf(m->namespaces[i], sizeof(m->namespaces[i]), "ns%d", i);
        m->namespace_of[i] = m->namespaces[i];
        m->parent[i] = i < 3 ? -1 : (int)roll(m, i) - 1;
        m->is_leaf[i] = true;
        *q = (struct sy_queue_options){
            .name = m->names[i], .weight = (double)(1 + roll(m, 4)), .borrows = roll(m, 5) > 0};
        if (m->parent[i] >= 0) {
            q->parent = m->names[m->parent[i]];
            m->is_leaf[m->parent[i]] = false;
        }
    }
    for (int i = 0; i < QUEUES; i++) {
        struct sy_queue_options *q = &m->queues[i];
        for (int r = 0; r < RESOURCES; r++) {
            bool has_limit = roll(m, 4) == 0;
            m->resources[i][r] = (struct sy_queue_resource){
                RESOURCE[r], m->is_leaf[i] && roll(m, 2) ? roll(m, 12) * MILLI[r] : 0,
                has_limit ? (10 + roll(m, 30)) * MILLI[r] : SY_NO_LIMIT};
        }
        q->resources = m->resources[i];
        q->resources_len = RESOURCES;
        if (m->is_leaf[i]) {
            q->namespaces = &m->namespace_of[i];
            q->namespaces_len = 1;
        }
    }
    struct sy_queues_options options = {m->queues, QUEUES};
    sy_shares_configure(&m->c, &options);
}

static int setup(struct model *m, uint64_t seed)
{
    char name[16];

    memset(m, 0, sizeof(*m));
    core_init(&m->k);
    sy_cluster_init(&m->c, m->k.strings);
    sy_rng_seed(&m->rng, seed);
    plant(m);
    for (int n = 0; n < NODES; n++) {
        uint32_t slot, change;
        snprintf(name, sizeof(name), "n%d", n);
        struct sy_node node = core_node(&m->k, name, 20000, 20 << 10, 8);
        assert_int_equal(sy_cluster_node_upsert(&m->c, &node, &slot, &change), 0);
    }
    m->total[0] = NODES * 20 * UNIT[0];
    m->total[1] = NODES * 20 * UNIT[1];
    m->total[2] = NODES * 8 * UNIT[2];
    return 0;
}

static void teardown(struct model *m)
{
    char text[128];

    assert_null(sy_cluster_audit(&m->c, text, sizeof(text)));
    sy_cluster_done(&m->c);
    core_done(&m->k);
}

/* -- random events -- */

static void stop_waiting(struct model *m, struct model_pod *p)
{
    const struct sy_pod_slot *slot = &m->c.pods.p[p->slot];

    if (p->is_ready)
        sy_shares_ready(&m->c, slot->queue, -1);
    if (p->waits)
        sy_shares_wait(&m->c, slot->queue, &slot->spec->spec, -1);
    p->waits = p->is_ready = false;
}

static void arrive(struct model *m, int i)
{
    struct model_pod *p = &m->pods[i];
    char name[16];
    uint32_t change;

    snprintf(name, sizeof(name), "p%d", i);
    int64_t cpu = roll(m, 4), memory = roll(m, 4), gpus = roll(m, 3);
    struct sy_pod pod = core_pod(&m->k, name, cpu * 1000, memory << 10, gpus);
    p->queue = (int)roll(m, QUEUES);
    if (!m->is_leaf[p->queue])
        p->queue = -1;
    pod.ns = core_id(&m->k, p->queue < 0 ? "elsewhere" : m->namespaces[p->queue]);
    p->asks[0] = cpu * UNIT[0];
    p->asks[1] = memory * UNIT[1];
    p->asks[2] = gpus * UNIT[2];
    if (gpus && roll(m, 2)) {
        pod.spec.gpu = (struct sy_gpu_request){.count = 1, .milli = 250, .memory_milli = 400};
        p->asks[2] = 400;
    }
    assert_int_equal(sy_cluster_pod_upsert(&m->c, &pod, &p->slot, &change), 0);
    p->is_there = p->waits = true;
    p->is_ready = roll(m, 2);
    uint16_t queue = m->c.pods.p[p->slot].queue;
    sy_shares_wait(&m->c, queue, &m->c.pods.p[p->slot].spec->spec, 1);
    if (p->is_ready)
        sy_shares_ready(&m->c, queue, 1);
}

static void try_without(struct model *m, struct model_pod *p)
{
    uint32_t node = m->c.pods.p[p->slot].node;

    sy_cluster_trial_begin(&m->c);
    sy_cluster_trial_remove(&m->c, p->slot);
    sy_cluster_trial_restore(&m->c, p->slot, node);
    sy_cluster_trial_end(&m->c);
}

static void step(struct model *m)
{
    int i = (int)roll(m, PODS);
    struct model_pod *p = &m->pods[i];

    if (!p->is_there) {
        arrive(m, i);
    } else if (!p->is_placed && roll(m, 3)) {
        stop_waiting(m, p);
        assert_int_equal(sy_cluster_assume(&m->c, p->slot, (uint32_t)roll(m, NODES)), 0);
        p->is_placed = true;
    } else if (p->is_placed && roll(m, 2)) {
        try_without(m, p);
    } else if (p->is_placed && roll(m, 2)) {
        sy_cluster_forget(&m->c, p->slot);
        p->is_placed = false;
    } else {
        stop_waiting(m, p);
        sy_cluster_pod_delete(&m->c, p->slot);
        *p = (struct model_pod){0};
    }
}

/* -- the model: everything is counted from the list of pods -- */

static bool is_in(const struct model *m, int queue, int above)
{
    for (; queue >= 0; queue = m->parent[queue]) {
        if (queue == above)
            return true;
    }
    return false;
}

/* queue -1: the default queue, -2: the root. */
static int64_t sum(const struct model *m, int queue, int r, bool placed)
{
    int64_t total = 0;

    for (int i = 0; i < PODS; i++) {
        const struct model_pod *p = &m->pods[i];
        bool counts = queue == -2 || (queue == -1 ? p->queue == -1 : is_in(m, p->queue, queue));
        if (p->is_there && counts && (placed ? p->is_placed : p->waits))
            total += p->asks[r];
    }
    return total;
}

static int64_t guaranteed(const struct model *m, int queue, int r)
{
    int64_t total = 0;

    for (int i = 0; i < QUEUES && queue >= 0; i++)
        total += m->is_leaf[i] && is_in(m, i, queue)
                     ? m->resources[i][r].guaranteed_milli / MILLI[r] * UNIT[r]
                     : 0;
    return total;
}

static int64_t limit(const struct model *m, int queue, int r)
{
    if (queue < 0)
        return INT64_MAX;
    int64_t most = m->resources[queue][r].limit_milli;
    int64_t own = m->resources[queue][r].guaranteed_milli / MILLI[r] * UNIT[r];

    most = most == SY_NO_LIMIT ? most : most / MILLI[r] * UNIT[r];
    return !m->queues[queue].borrows && own && own < most ? own : most;
}

static double weight(const struct model *m, int queue)
{
    return queue < 0 ? 1 : m->queues[queue].weight;
}

static bool is_ready(const struct model *m, int queue)
{
    for (int i = 0; i < PODS; i++) {
        const struct model_pod *p = &m->pods[i];
        if (p->is_ready && (queue == -1 ? p->queue == -1 : is_in(m, p->queue, queue)))
            return true;
    }
    return false;
}

/* Whether a goes before b; of equal ones none does. */
static bool goes_before(const struct model *m, int a, int b)
{
    double most[2] = {0};
    bool has_any[2] = {false, false}, is_below[2] = {true, true};

    for (int side = 0; side < 2; side++) {
        int queue = side ? b : a;
        for (int r = 0; r < RESOURCES; r++) {
            int64_t used = sum(m, queue, r, true), own = guaranteed(m, queue, r);
            most[side] = fmax(most[side], (double)used / (double)m->total[r]);
            has_any[side] |= own > 0;
            is_below[side] &= own == 0 || used < own;
        }
        is_below[side] &= has_any[side];
    }
    if (is_below[0] != is_below[1])
        return is_below[0];
    return most[0] / weight(m, a) < most[1] / weight(m, b);
}

static uint16_t model_next(const struct model *m)
{
    int at = -2;

    for (;;) {
        int best = -3;
        for (int i = 0; i <= QUEUES; i++) {
            int child = i == QUEUES ? -1 : i;
            int parent = child < 0 || m->parent[child] < 0 ? -2 : m->parent[child];
            if (parent == at && is_ready(m, child) && (best == -3 || goes_before(m, child, best)))
                best = child;
        }
        if (best == -3)
            return SY_NO_QUEUE;
        at = best;
        if (at == -1 || m->is_leaf[at])
            return (uint16_t)(at < 0 ? QUEUES + 1 : at + 1);
    }
}

static int64_t owed(const struct model *m, int queue, int r)
{
    int64_t below = 0;
    int64_t lacks = guaranteed(m, queue, r) - sum(m, queue, r, true);
    int64_t pending = sum(m, queue, r, false);

    for (int i = 0; i < QUEUES; i++)
        below += m->parent[i] == queue ? owed(m, i, r) : 0;
    lacks = lacks < 0 ? 0 : lacks < pending ? lacks : pending;
    return lacks > below ? lacks : below;
}

static enum sy_quota model_ask(const struct model *m, int queue, const int64_t *asks)
{
    for (int at = queue; at >= 0; at = m->parent[at]) {
        for (int r = 0; r < RESOURCES; r++) {
            if (asks[r] && sum(m, at, r, true) + asks[r] > limit(m, at, r))
                return SY_QUOTA_LIMIT;
        }
    }
    for (int r = 0; r < RESOURCES; r++) {
        int64_t others = 0, free_now = m->total[r] - sum(m, -2, r, true);
        int at = queue;
        while (at != -2 && asks[r] && sum(m, at, r, true) + asks[r] > guaranteed(m, at, r)) {
            int parent = at < 0 ? -1 : m->parent[at];
            for (int i = 0; i < QUEUES; i++)
                others += i != at && m->parent[i] == parent ? owed(m, i, r) : 0;
            at = parent < 0 ? -2 : parent;
        }
        if (others && (free_now < 0 ? 0 : free_now) - asks[r] < others)
            return SY_QUOTA_OWED;
    }
    return SY_QUOTA_FREE;
}

/* -- deserved: a drop at a time to whoever has got the least over its weight -- */

static double wants(const struct model *m, int queue, int r)
{
    double all = 0;

    if (queue < 0 || m->is_leaf[queue]) {
        all = (double)(sum(m, queue, r, true) + sum(m, queue, r, false));
    } else {
        for (int i = 0; i < QUEUES; i++)
            all += m->parent[i] == queue ? wants(m, i, r) : 0;
    }
    return fmin(all, (double)limit(m, queue, r));
}

static void deserve(const struct model *m, int queue, int r, double rest, double *has)
{
    double drop = (double)UNIT[r] / 500, more[QUEUES + 1] = {0}, base = 0;
    double *of[QUEUES + 1];
    int child[QUEUES + 1], len = 0;

    for (int i = 0; i <= QUEUES; i++) {
        int at = i == QUEUES ? -1 : i;
        if ((at < 0 || m->parent[at] < 0 ? -2 : m->parent[at]) != queue)
            continue;
        child[len] = at;
        of[len] = &has[i];
        *of[len] = fmin((double)guaranteed(m, at, r), wants(m, at, r));
        base += *of[len++];
    }
    for (int i = 0; i < len && base > rest; i++)
        *of[i] *= rest / base;
    for (rest -= base; rest > 0; rest -= drop) {
        int best = -1;
        for (int i = 0; i < len; i++) {
            if (*of[i] + drop / 2 < wants(m, child[i], r) &&
                (best < 0 || more[i] / weight(m, child[i]) < more[best] / weight(m, child[best])))
                best = i;
        }
        if (best < 0)
            break;
        more[best] += drop;
        *of[best] += drop;
    }
    for (int i = 0; i < len; i++) {
        if (child[i] >= 0 && !m->is_leaf[child[i]])
            deserve(m, child[i], r, *of[i], has);
    }
}

/* -- the tests -- */

static void check_sums(struct model *m)
{
    char text[128];

    assert_null(sy_cluster_audit(&m->c, text, sizeof(text)));
    for (int i = 0; i <= QUEUES; i++) {
        const struct sy_queue *q = &m->c.shares.all.p[i + 1];
        for (int r = 0; r < RESOURCES; r++) {
            assert_int_equal(q->used.of[r], sum(m, i == QUEUES ? -1 : i, r, true));
            assert_int_equal(q->pending.of[r], sum(m, i == QUEUES ? -1 : i, r, false));
            assert_int_equal(q->guaranteed.of[r], guaranteed(m, i == QUEUES ? -1 : i, r));
        }
    }
}

static void check_asks(struct model *m, uint32_t *answers)
{
    for (int i = 0; i < PODS; i++) {
        const struct model_pod *p = &m->pods[i];
        struct sy_queue_amounts asked;
        if (!p->is_there || p->is_placed)
            continue;
        const struct sy_pod_slot *slot = &m->c.pods.p[p->slot];
        sy_shares_amounts(&m->c, &slot->spec->spec, &asked);
        enum sy_quota got = sy_shares_ask(&m->c, slot->queue, &asked).quota;
        assert_int_equal(got, model_ask(m, p->queue, p->asks));
        answers[got]++;
    }
}

static void test_random_trees(void **state)
{
    struct model *m = sy_xcalloc(1, sizeof(*m));
    uint32_t answers[3] = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        setup(m, seed);
        for (int n = 0; n < 400; n++) {
            step(m);
            if (n % 5 == 0)
                assert_int_equal(sy_shares_next(&m->c), model_next(m));
            if (n % 100)
                continue;
            check_sums(m);
            check_asks(m, answers);
        }
        teardown(m);
    }
    /* The cases were such that all answers came up often. */
    assert_true(answers[SY_QUOTA_FREE] > 20);
    assert_true(answers[SY_QUOTA_LIMIT] > 20);
    assert_true(answers[SY_QUOTA_OWED] > 20);
    free(m);
}

static void test_deserved(void **state)
{
    struct model *m = sy_xcalloc(1, sizeof(*m));
    struct sy_queue_amounts got[QUEUES + 2];
    double has[QUEUES + 1];

    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        setup(m, seed);
        for (int n = 0; n < 400; n++)
            step(m);
        sy_shares_deserved(&m->c, got);
        for (int r = 0; r < RESOURCES; r++) {
            double all = 0;
            for (int i = 0; i <= QUEUES; i++)
                all += i == QUEUES || m->parent[i] < 0 ? wants(m, i == QUEUES ? -1 : i, r) : 0;
            deserve(m, -2, r, fmin(all, (double)m->total[r]), has);
            for (int i = 0; i <= QUEUES; i++)
                assert_true(fabs((double)got[i + 1].of[r] - has[i]) < (double)UNIT[r] / 20);
        }
        teardown(m);
    }
    free(m);
}

/* A configuration that changes while pods run counts what it would have counted from the start. */
static void test_reconfigured(void **state)
{
    struct model *m = sy_xcalloc(1, sizeof(*m));

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        setup(m, seed);
        for (int n = 0; n < 300; n++)
            step(m);
        struct sy_queues_options none = {0};
        for (int i = 0; i < PODS; i++)
            stop_waiting(m, &m->pods[i]);
        sy_shares_configure(&m->c, seed % 2 ? &none : NULL);
        assert_int_equal(sy_shares_find(&m->c, core_id(&m->k, "ns1"), (struct sy_labels){0}),
                         SY_NO_QUEUE);
        struct sy_queues_options again = {m->queues, QUEUES};
        sy_shares_configure(&m->c, &again);
        check_sums(m);
        teardown(m);
    }
    free(m);
}

static void test_membership(void **state)
{
    struct core k;
    struct sy_cluster c;
    char *namespaces[] = {(char *)(uintptr_t) "ml", (char *)(uintptr_t) "web"};
    struct sy_queue_options queues[] = {
        {"both", .weight = 1, .namespaces = namespaces, .namespaces_len = 1, .keys = {"team"},
         .values = {"vision"}, .labels_len = 1},
        {"labelled", .weight = 1, .keys = {"team"}, .values = {NULL}, .labels_len = 1},
        {"spaces", .weight = 1, .namespaces = namespaces, .namespaces_len = 2},
    };
    struct sy_queues_options options = {queues, SY_ARRAY_LEN(queues)};

    (void)state;
    core_init(&k);
    sy_cluster_init(&c, k.strings);
    sy_shares_configure(&c, &options);
    sy_sid ml = core_id(&k, "ml"), web = core_id(&k, "web"), other = core_id(&k, "x");
    struct sy_labels vision = core_label(&k, "team", "vision");
    struct sy_labels speech = core_label(&k, "team", "speech"), none = {0};
    assert_int_equal(sy_shares_find(&c, ml, vision), 1);
    assert_int_equal(sy_shares_find(&c, web, vision), 2);
    assert_int_equal(sy_shares_find(&c, other, speech), 2);
    assert_int_equal(sy_shares_find(&c, ml, none), 3);
    assert_int_equal(sy_shares_find(&c, web, none), 3);
    assert_string_equal(c.shares.all.p[sy_shares_find(&c, other, none)].name, "default");
    sy_cluster_done(&c);
    core_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_trees),
        cmocka_unit_test(test_deserved),
        cmocka_unit_test(test_reconfigured),
        cmocka_unit_test(test_membership),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
