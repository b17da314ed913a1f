/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/extended_resources.h"

static const size_t WORK_MAX_BYTES = (size_t)16 << 20;
/* retry.DefaultRetry of client-go: so many changes by others are taken as benign. */
enum { TRIES_MAX = 5 };

struct item {
    sy_sid ns;
    sy_sid name;
    char *uid;      /* owned */
    bool allocates; /* `allocation` is to be written; else the pod is only added */
    struct sy_device_allocation allocation;
    bool is_made;      /* by us, of `made` in the work */
    bool is_created;   /* so */
    bool is_seen;      /* created, and told by the watch */
    bool is_told;      /* the pod's status names it */
    bool is_protected; /* its finalizer is there */
    bool is_reserved;  /* by us, for the pod */
    uint32_t tries;
};

struct sy_claim_work {
    struct sy_arena arena; /* of the allocations, `made` and `mappings` */
    struct sy_device_claim made;
    const struct sy_device_mapping *mappings;
    uint32_t mappings_len;
    uint32_t id;
    uint32_t user;
    uint64_t holder;
    uint64_t serial; /* of the write whose answer is awaited; 0: none */
    enum sy_claim_write_kind writing;
    bool is_dropped;
    bool is_undoing;
    bool is_expired; /* allocations that are waited for go, too */
    char *pod;       /* owned, as the next two */
    char *pod_uid;
    char *error;
    uint32_t at; /* items before this one are done with */
    uint32_t len;
    struct item items[];
};

/* ---- the pod's claims ------------------------------------------------------------------------ */

static const struct sy_device_claim *claim_at(const struct sy_cluster *c,
                                              const struct sy_pod_slot *p, uint32_t i)
{
    sy_sid name = p->spec->spec.claims[i].claim;

    return name ? sy_devices_claim(c, p->ns, name) : NULL;
}

static bool is_reserved_for(const struct sy_device_claim *claim, const char *uid)
{
    for (uint32_t i = 0; i < claim->reserved_for_len; i++) {
        if (sy_str_eqz(claim->reserved_for[i], uid))
            return true;
    }
    return false;
}

/* Two entries of a pod may stand for one claim. */
static bool has_item(const struct sy_claim_work *w, const struct sy_device_claim *claim)
{
    for (uint32_t i = 0; i < w->len; i++) {
        if (w->items[i].ns == claim->ns && w->items[i].name == claim->name)
            return true;
    }
    return false;
}

static void add_item(struct sy_claim_work *w, const struct sy_device_claim *claim)
{
    w->items[w->len++] = (struct item){
        .ns = claim->ns,
        .name = claim->name,
        .uid = sy_xstrndup(claim->uid.p ? claim->uid.p : "", claim->uid.len),
        .allocates = !claim->is_allocated,
    };
}

static const struct sy_device_claim *claim_of(const struct sy_cluster *c, const struct item *item)
{
    const struct sy_device_claim *claim = sy_devices_claim(c, item->ns, item->name);

    return claim && sy_str_eqz(claim->uid, item->uid) ? claim : NULL;
}

/* ---- making one ------------------------------------------------------------------------------ */

static void work_free(struct sy_claim_works *works, struct sy_claim_work *w)
{
    if (w->id < works->all.len && works->all.p[w->id] == w)
        works->all.p[w->id] = NULL;
    for (uint32_t i = 0; i < w->len; i++)
        free(w->items[i].uid);
    sy_arena_done(&w->arena);
    free(w->pod);
    free(w->pod_uid);
    free(w->error);
    free(w);
}

static void release(struct sy_cluster *c, const struct sy_claim_work *w)
{
    for (uint32_t i = 0; i < w->len; i++)
        sy_devices_release(c, w->items[i].ns, w->items[i].name, w->holder);
    sy_devices_release_ahead(c, w->holder);
}

static int grant_item(struct sy_cluster *c, struct sy_arena *arena, struct sy_claim_work *w,
                      struct item *item, const struct sy_device_allocation *made,
                      struct sy_err *err)
{
    int r = sy_device_allocation_copy(&w->arena, made, &item->allocation);

    if (!r && item->is_made)
        r = sy_devices_hold_ahead(c, w->holder, &item->allocation);
    else if (!r)
        r = sy_devices_hold(c, item->ns, item->name, w->holder, &item->allocation);
    return r < 0 ? sy_err_set(err, sy_arena_why(arena, 1, 1), "an allocation takes too much memory")
                 : 0;
}

/* Finds the devices again that the filter found. */
static int allocate(struct sy_cluster *c, struct sy_arena *arena, struct sy_claim_work *w,
                    uint32_t node, struct sy_err *err)
{
    const struct sy_device_claim **open = sy_arena_array(arena, w->len + 1, sizeof(*open));
    struct item **items = sy_arena_array(arena, w->len + 1, sizeof(*items));
    struct sy_device_allocation *made = sy_arena_array(arena, w->len + 1, sizeof(*made));
    const struct sy_device_pick *picks;
    struct sy_allocator *allocator;
    uint32_t len = 0, picks_len;

    if (!open || !items || !made)
        return sy_err_set(err, sy_arena_why(arena, w->len + 1, sizeof(*made)), "out of memory");
    for (uint32_t i = 0; i < w->len; i++) {
        if (!w->items[i].allocates)
            continue;
        items[len] = &w->items[i];
        open[len++] = w->items[i].is_made ? &w->made : claim_of(c, &w->items[i]);
    }
    if (!len)
        return 0;
    int r = sy_allocator_new(c, arena, open, len, &allocator, err);
    if (!r)
        r = sy_allocator_try(allocator, node, &picks, &picks_len, err);
    if (!r)
        return sy_err_set(err, -ENOENT, "claim allocation not found for node");
    for (uint32_t i = 0; r >= 0 && i < len; i++)
        r = sy_grant_make(c, arena, open, i, picks, picks_len, node, &made[i], err);
    /* What is held changes the cluster, and with that ends what the allocator looks at. */
    for (uint32_t i = 0; r >= 0 && i < len; i++)
        r = grant_item(c, arena, w, items[i], &made[i], err);
    return r < 0 ? r : 0;
}

static uint32_t add_work(struct sy_claim_works *works, struct sy_claim_work *w)
{
    for (uint32_t i = 0; i < works->all.len; i++) {
        if (!works->all.p[i]) {
            works->all.p[i] = w;
            return i;
        }
    }
    sy_vec_push(&works->all, w);
    return (uint32_t)works->all.len - 1;
}

/* As the API server would make a name of metadata.generateName. The same for a UID and a number, so
 * that a run replays. */
static sy_sid made_name(struct sy_cluster *c, const struct sy_pod_slot *p, uint64_t number)
{
    static const char ALPHABET[] = "bcdfghjklmnpqrstvwxz2456789";
    enum { BASE_MAX = 58, RANDOM_LEN = 5, ALPHABET_LEN = sizeof(ALPHABET) - 1 };
    const uint64_t key[2] = {number, 0};
    char *base = sy_xasprintf("%s-extended-resources-", p->name);
    size_t len = strlen(base) < BASE_MAX ? strlen(base) : BASE_MAX;
    char name[BASE_MAX + RANDOM_LEN];
    uint64_t hash[2];

    sy_siphash128(p->uid, strlen(p->uid), key, hash);
    memcpy(name, base, len);
    free(base);
    for (int i = 0; i < RANDOM_LEN; i++) {
        name[len++] = ALPHABET[hash[0] % ALPHABET_LEN];
        hash[0] /= ALPHABET_LEN;
    }
    return sy_strings_add(c->strings, (struct sy_str){name, len});
}

/* Extended resources that devices must serve on the node become one more claim. */
static int add_made(const struct sy_shape_view *view, struct sy_claim_work *w,
                    const struct sy_pod_slot *p, uint32_t node, struct sy_err *err)
{
    struct sy_extended e = {0};
    uint64_t served = 0;

    if (!view->spec->device_resources_len)
        return 0;
    int r = sy_extended_gather(view, &w->arena, &e);
    if (!r && (!e.is_backed || !sy_extended_on_node(view, &e, node, &served) || !served))
        return 0;
    if (!r)
        r = sy_extended_claim(view, &w->arena, &e, served, &w->made);
    if (!r)
        r = sy_extended_mappings(view, &w->arena, &e, served, &w->mappings, &w->mappings_len);
    if (r < 0)
        return sy_err_set(err, r, "a claim for extended resources takes too much memory");
    w->made.ns = p->ns;
    w->made.name = made_name(view->cluster, p, w->holder);
    w->items[w->len++] = (struct item){
        .ns = p->ns,
        .name = w->made.name,
        .uid = sy_xstrdup(""),
        .allocates = true,
        .is_made = true,
    };
    return 0;
}

int sy_claim_work_new(struct sy_claim_works *works, const struct sy_shape_view *view,
                      struct sy_arena *arena, uint32_t pod, uint32_t node, uint32_t user,
                      struct sy_claim_work **ret, struct sy_err *err)
{
    struct sy_cluster *c = view->cluster;
    const struct sy_pod_slot *p = &c->pods.p[pod];
    uint32_t len = p->spec->spec.claims_len;
    struct sy_claim_work *w = sy_xcalloc(1, sizeof(*w) + (len + 1) * sizeof(*w->items));

    sy_arena_init(&w->arena, WORK_MAX_BYTES);
    w->id = UINT32_MAX;
    w->holder = ++works->next_holder;
    for (uint32_t i = 0; i < len; i++) {
        const struct sy_device_claim *claim = claim_at(c, p, i);
        if (claim && !has_item(w, claim) &&
            (!claim->is_allocated || !is_reserved_for(claim, p->uid) || claim->is_waiting))
            add_item(w, claim);
    }
    int r = add_made(view, w, p, node, err);
    if (r < 0 || !w->len) {
        work_free(works, w);
        *ret = NULL;
        return r;
    }
    w->user = user;
    w->pod = sy_xstrdup(p->name);
    w->pod_uid = sy_xstrdup(p->uid);
    r = allocate(c, arena, w, node, err);
    if (r < 0) {
        release(c, w);
        work_free(works, w);
        return r;
    }
    w->id = add_work(works, w);
    *ret = w;
    return 0;
}

void sy_claim_work_drop(struct sy_claim_works *works, struct sy_cluster *c, struct sy_claim_work *w)
{
    if (!w)
        return;
    w->is_dropped = true;
    if (w->serial)
        return; /* the write may yet land: until its answer the devices stay taken */
    release(c, w);
    work_free(works, w);
}

static void mark_made(const struct sy_claim_work *w, struct sy_strings *strings)
{
    if (w->mappings_len)
        sy_devices_mark(SY_DEVICES_CLAIM, &w->made, strings);
    for (uint32_t i = 0; i < w->mappings_len; i++) {
        sy_strings_mark(strings, w->mappings[i].container);
        sy_strings_mark(strings, w->mappings[i].resource);
        sy_strings_mark(strings, w->mappings[i].request);
    }
}

void sy_claim_works_mark(const struct sy_claim_works *works, struct sy_strings *strings)
{
    for (size_t n = 0; n < works->all.len; n++) {
        const struct sy_claim_work *w = works->all.p[n];
        for (uint32_t i = 0; w && i < w->len; i++) {
            sy_strings_mark(strings, w->items[i].ns);
            sy_strings_mark(strings, w->items[i].name);
            sy_device_allocation_mark(&w->items[i].allocation, strings);
        }
        if (w)
            mark_made(w, strings);
    }
}

void sy_claim_works_done(struct sy_claim_works *works, struct sy_cluster *c)
{
    for (size_t n = 0; n < works->all.len; n++) {
        struct sy_claim_work *w = works->all.p[n];
        if (!w)
            continue;
        release(c, w);
        work_free(works, w);
    }
    sy_vec_done(&works->all);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Whether the claim's devices are those of our allocation: a write of which no answer came did
 * land. */
static bool is_ours(const struct sy_device_claim *claim, const struct item *item)
{
    if (claim->results_len != item->allocation.grants_len)
        return false;
    for (uint32_t i = 0; i < claim->results_len; i++) {
        const struct sy_device_result *x = &claim->results[i];
        const struct sy_device_result *y = &item->allocation.grants[i].result;
        if (x->request != y->request || x->driver != y->driver || x->pool != y->pool ||
            x->device != y->device)
            return false;
    }
    return true;
}

/* Takes error. */
static void fail(struct sy_cluster *c, struct sy_claim_work *w, char *error)
{
    free(w->error);
    w->error = sy_xasprintf("running PreBind plugin \"DynamicResources\": %s", error);
    free(error);
    w->is_undoing = true;
    w->at = 0;
    release(c, w);
}

/* What an item still needs; false for nothing. On failure w->is_undoing is set. */
static bool needs_write(struct sy_cluster *c, struct sy_claim_work *w, struct item *item,
                        enum sy_claim_write_kind *ret)
{
    const struct sy_device_claim *claim = claim_of(c, item);
    const char *ns = sy_strings_getz(c->strings, item->ns);
    const char *name = sy_strings_getz(c->strings, item->name);
    const char *what = NULL;

    if (item->is_made && !item->is_created) {
        *ret = SY_CLAIM_CREATE;
        return true;
    }
    bool is_done = claim && claim->is_allocated && is_reserved_for(claim, w->pod_uid) &&
                   (!item->allocates || is_ours(claim, item));
    is_done |= item->is_made && item->is_reserved; /* its pod may be left to be told */

    if (!claim || claim->is_deleting)
        what = "deleted";
    else if (item->allocates && claim->is_allocated && !is_done)
        what = "allocated elsewhere";
    else if (!item->allocates && !claim->is_allocated)
        what = "deallocated elsewhere";
    if (what) {
        fail(c, w, sy_xasprintf("claim %s/%s got %s in the meantime", ns, name, what));
        return false;
    }
    item->is_reserved |= is_done && item->tries;
    *ret = !item->allocates      ? SY_CLAIM_RESERVE
           : is_done             ? SY_CLAIM_TELL_POD
           : !item->is_protected ? SY_CLAIM_PROTECT
                                 : SY_CLAIM_ALLOCATE;
    return !is_done || (item->is_made && !item->is_told);
}

/* Whether a claim that we have created is yet to come by the watch. Once it has, it is held as any
 * other. */
static bool is_unseen(struct sy_cluster *c, struct sy_claim_work *w, struct item *item)
{
    const struct sy_device_claim *claim = claim_of(c, item);

    if (!item->is_created || item->is_seen)
        return false;
    if (!claim)
        return true;
    item->is_seen = true;
    sy_devices_release_ahead(c, w->holder);
    if (!claim->is_allocated &&
        sy_devices_hold(c, item->ns, item->name, w->holder, &item->allocation) < 0)
        fail(c, w, sy_xstrdup("an allocation takes too much memory"));
    return false;
}

/* Once all is written. */
static enum sy_claim_step wait_for_drivers(struct sy_cluster *c, struct sy_claim_work *w)
{
    bool waits = false;

    for (uint32_t i = 0; i < w->len; i++) {
        const struct sy_device_claim *claim = claim_of(c, &w->items[i]);
        const char *name = sy_strings_getz(c->strings, w->items[i].name);
        if (!claim || !claim->is_allocated) {
            fail(c, w,
                 sy_xasprintf("claim %s/%s got deallocated elsewhere in the meantime",
                              sy_strings_getz(c->strings, w->items[i].ns), name));
            return SY_CLAIMS_FAILED;
        }
        if (claim->has_failed) {
            fail(c, w, sy_xasprintf("device binding failed: claim=%s", name));
            return SY_CLAIMS_FAILED;
        }
        waits |= claim->is_waiting;
    }
    return waits ? SY_CLAIMS_WAIT : SY_CLAIMS_READY;
}

void sy_claim_work_expire(struct sy_cluster *c, struct sy_claim_work *w)
{
    const char *name = "";

    if (w->at < w->len) {
        const struct item *item = &w->items[w->at];
        fail(c, w,
             sy_xasprintf("claim %s/%s was created, but does not come",
                          sy_strings_getz(c->strings, item->ns),
                          sy_strings_getz(c->strings, item->name)));
        return;
    }
    for (uint32_t i = 0; i < w->len; i++) {
        const struct sy_device_claim *claim = claim_of(c, &w->items[i]);
        if (claim && claim->is_waiting) {
            name = sy_strings_getz(c->strings, claim->name);
            w->items[i].is_reserved = true; /* perhaps by a try before this one */
        }
    }
    fail(c, w, sy_xasprintf("device binding timeout: claim=%s", name));
    w->is_expired = true;
}

static enum sy_claim_write_kind undo_kind(const struct sy_cluster *c, const struct sy_claim_work *w,
                                          const struct item *item)
{
    const struct sy_device_claim *claim = claim_of(c, item);

    if (item->is_made)
        return SY_CLAIM_DELETE;
    return w->is_expired && claim && claim->is_waiting && claim->reserved_for_len <= 1
               ? SY_CLAIM_DEALLOCATE
               : SY_CLAIM_UNRESERVE;
}

static void fill(const struct sy_cluster *c, const struct sy_claim_work *w, const struct item *item,
                 enum sy_claim_write_kind kind, struct sy_claim_write *ret)
{
    const struct sy_device_claim *claim = claim_of(c, item);
    bool is_any =
        kind == SY_CLAIM_UNRESERVE || kind == SY_CLAIM_TELL_POD || kind == SY_CLAIM_DELETE;
    bool is_guarded = !is_any && claim && claim->resource_version.len;

    *ret = (struct sy_claim_write){
        .kind = kind,
        .ns = sy_strings_getz(c->strings, item->ns),
        .name = sy_strings_getz(c->strings, item->name),
        .uid = item->uid,
        .version = is_guarded ? claim->resource_version.p : NULL,
        .pod = w->pod,
        .pod_uid = w->pod_uid,
        .allocation = kind == SY_CLAIM_ALLOCATE ? &item->allocation : NULL,
        .made = kind == SY_CLAIM_CREATE ? &w->made : NULL,
        .mappings = kind == SY_CLAIM_TELL_POD ? w->mappings : NULL,
        .mappings_len = kind == SY_CLAIM_TELL_POD ? w->mappings_len : 0,
    };
}

enum sy_claim_step sy_claim_work_next(struct sy_claim_works *works, struct sy_cluster *c,
                                      struct sy_claim_work *w, struct sy_claim_write *ret,
                                      uint64_t *ret_ticket)
{
    enum sy_claim_write_kind kind = SY_CLAIM_UNRESERVE;

    if (!w->is_undoing && w->at < w->len && is_unseen(c, w, &w->items[w->at]))
        return SY_CLAIMS_UNSEEN;
    while (!w->is_undoing && w->at < w->len && !needs_write(c, w, &w->items[w->at], &kind)) {
        if (!w->is_undoing)
            w->at++;
    }
    if (!w->is_undoing && w->at == w->len) {
        enum sy_claim_step step = wait_for_drivers(c, w);
        if (step != SY_CLAIMS_FAILED)
            return step;
    }
    if (w->is_undoing) {
        while (w->at < w->len && !w->items[w->at].is_reserved && !w->items[w->at].is_created)
            w->at++;
        if (w->at == w->len)
            return SY_CLAIMS_FAILED;
        kind = undo_kind(c, w, &w->items[w->at]);
    }
    w->serial = ++works->next_serial & UINT32_MAX;
    if (!w->serial)
        w->serial = ++works->next_serial & UINT32_MAX;
    w->writing = kind;
    fill(c, w, &w->items[w->at], kind, ret);
    *ret_ticket = w->serial << 32 | w->id;
    return SY_CLAIMS_WRITE;
}

const char *sy_claim_work_error(const struct sy_claim_work *w)
{
    return w->error ? w->error : "";
}

bool sy_claim_work_undo(struct sy_claim_work *w, const char *error)
{
    bool any = false;

    for (uint32_t i = 0; i < w->len; i++)
        any |= w->items[i].is_reserved || w->items[i].is_created;
    free(w->error);
    w->error = sy_xstrdup(error);
    w->is_undoing = true;
    w->at = 0;
    return any;
}

struct sy_claim_work *sy_claim_works_find(const struct sy_claim_works *works, uint64_t ticket)
{
    uint32_t id = (uint32_t)ticket;
    struct sy_claim_work *w = id < works->all.len ? works->all.p[id] : NULL;

    return w && w->serial && w->serial == ticket >> 32 ? w : NULL;
}

static char *say(const struct sy_cluster *c, const struct sy_claim_work *w, const char *error)
{
    const struct item *item = &w->items[w->at];
    const char *ns = sy_strings_getz(c->strings, item->ns);

    if (w->writing == SY_CLAIM_CREATE) /* no name: kube-scheduler leaves that to the API server */
        return sy_xasprintf("create claim for extended resources %s/: %s", ns, error);
    if (w->writing == SY_CLAIM_TELL_POD)
        return sy_xasprintf("update pod %s/%s ExtendedResourceClaimStatus: %s", ns, w->pod, error);
    const char *what = w->writing == SY_CLAIM_PROTECT    ? "add finalizer"
                       : w->writing == SY_CLAIM_ALLOCATE ? "add allocation and reservation"
                                                         : "add reservation";

    return sy_xasprintf("%s to claim %s/%s: %s", what, ns, sy_strings_getz(c->strings, item->name),
                        error);
}

static void written(struct sy_cluster *c, struct sy_claim_work *w, struct item *item)
{
    if (w->writing == SY_CLAIM_PROTECT) {
        item->is_protected = true;
        return;
    }
    if (w->writing == SY_CLAIM_TELL_POD) {
        item->is_told = true;
        w->at++;
        return;
    }
    item->is_reserved = true;
    sy_devices_release(c, item->ns, item->name, w->holder);
    if (!item->is_made)
        w->at++;
}

/* True when the claim is there, by this try or by one whose answer was lost. */
static bool created(struct sy_cluster *c, struct sy_claim_work *w, struct item *item,
                    enum sy_claim_result result, const struct sy_device_claim *claim)
{
    if (result != SY_CLAIM_RESULT_REFUSED && claim && claim->ns == item->ns &&
        claim->name == item->name && claim->is_for_extended &&
        sy_str_eqz(claim->owner_uid, w->pod_uid)) {
        free(item->uid);
        item->uid = sy_xstrndup(claim->uid.p, claim->uid.len);
        item->is_created = true;
        return true;
    }
    if (result != SY_CLAIM_RESULT_OK)
        return false;
    item->is_created = true;
    fail(c, w, say(c, w, "the answer is not understood"));
    return true;
}

bool sy_claim_work_result(struct sy_claim_works *works, struct sy_cluster *c,
                          struct sy_claim_work *w, enum sy_claim_result result,
                          const struct sy_device_claim *claim, const char *error)
{
    struct item *item = &w->items[w->at];

    w->serial = 0;
    if (w->is_dropped) {
        release(c, w);
        work_free(works, w);
        return false;
    }
    if (w->is_undoing) {
        /* Or not: then the next attempt finds it reserved, or made already. */
        item->is_reserved = item->is_created = false;
        w->at++;
    } else if (w->writing == SY_CLAIM_CREATE && created(c, w, item, result, claim)) {
        return true;
    } else if (result == SY_CLAIM_RESULT_OK) {
        written(c, w, item);
    } else if (result == SY_CLAIM_RESULT_REFUSED || ++item->tries >= TRIES_MAX) {
        fail(c, w, say(c, w, error ? error : "refused"));
    }
    return true;
}

uint32_t sy_claim_work_user(const struct sy_claim_work *w)
{
    return w->user;
}

/* ---- freeing --------------------------------------------------------------------------------- */

static bool is_out_of_reach(const struct sy_cluster *c, const struct sy_device_claim *claim)
{
    sy_sid field = sy_strings_find(c->strings, SY_STR("metadata.name"));

    if (claim->has_failed)
        return true;

    for (uint32_t node = 0; node < c->nodes_len; node++) {
        const struct sy_node *n = &c->nodes[node].node;
        if (sy_cluster_node_is_alive(c, node) &&
            !sy_node_selector_matches(&claim->nodes, c->strings, n->labels, n->name, field))
            return true;
    }
    return false;
}

bool sy_claims_to_free(const struct sy_cluster *c, uint32_t pod, struct sy_claim_write *ret)
{
    const struct sy_pod_slot *p = &c->pods.p[pod];

    for (uint32_t i = 0; i < p->spec->spec.claims_len; i++) {
        const struct sy_device_claim *claim = claim_at(c, p, i);
        if (!claim || !claim->is_allocated || claim->is_deleting || claim->reserved_for_len > 1 ||
            (claim->reserved_for_len && !is_reserved_for(claim, p->uid)) ||
            !is_out_of_reach(c, claim))
            continue;
        *ret = (struct sy_claim_write){
            .kind = SY_CLAIM_DEALLOCATE,
            .ns = sy_strings_getz(c->strings, claim->ns),
            .name = sy_strings_getz(c->strings, claim->name),
            .uid = claim->uid.p ? claim->uid.p : "",
            .version = claim->resource_version.len ? claim->resource_version.p : NULL,
            .pod = p->name,
            .pod_uid = p->uid,
        };
        return true;
    }
    const struct sy_device_claim *stale =
        p->spec->spec.device_resources_len ? sy_device_index_for_pod(c, sy_str_from(p->uid)) : NULL;
    if (!stale || stale->is_deleting)
        return false;
    *ret = (struct sy_claim_write){
        .kind = SY_CLAIM_DELETE,
        .ns = sy_strings_getz(c->strings, stale->ns),
        .name = sy_strings_getz(c->strings, stale->name),
        .uid = stale->uid.p ? stale->uid.p : "",
        .pod = p->name,
        .pod_uid = p->uid,
    };
    return true;
}
