# SPDX-License-Identifier: Apache-2.0
#
# Writes the Grafana dashboard: what is shown, one line a panel. `jq -n -f hack/grafana.jq`
def job: "job=~\"$job\"";
# panel TITLE UNIT HELP; QUERIES: [expression, legend] each
def panel($title; $unit; $help; $queries):
  {title: $title, description: $help, type: "timeseries",
   datasource: {type: "prometheus", uid: "$datasource"},
   fieldConfig: {defaults: {unit: $unit, min: 0, custom: {fillOpacity: 10}}, overrides: []},
   options: {legend: {displayMode: "list", placement: "bottom"}, tooltip: {mode: "multi"}},
   targets: [$queries | to_entries[] | {refId: ("ABCDEFGH"[.key:.key+1]), expr: .value[0], legendFormat: .value[1]}]};
def quantile($q; $name; $by): "histogram_quantile(\($q), sum by (le) (rate(\($name)_bucket{\(job)\($by)}[5m])))";
def each($name; $by): "sum by (\($by)) (\($name){\(job)})";
def rate_of($name; $by): "sum by (\($by)) (rate(\($name){\(job)}[5m]))";
[
  ["Now", [
    panel("Deciding"; "short"; "1 for the replica that decides about pods, 0 for one that stands by."; [["steelyard_scheduling{\(job)}", "{{instance}}"]]),
    panel("Pods waiting"; "short"; "By queue: active ones are tried next, unschedulable ones fit nowhere, gang ones wait for each other."; [[each("scheduler_pending_pods"; "queue"), "{{queue}}"]]),
    panel("What keeps pods back"; "short"; "Pods that a filter has a say in keeping back; one pod may count for several."; [[each("scheduler_unschedulable_pods"; "plugin"), "{{plugin}}"]]),
    panel("Attempts per second"; "ops"; "To schedule a pod, by result."; [[rate_of("scheduler_schedule_attempts_total"; "result"), "{{result}}"]])
  ]],
  ["Speed", [
    panel("From queue to bound"; "s"; "Of pods that fit at the first attempt."; [[quantile(0.5; "scheduler_pod_scheduling_sli_duration_seconds"; ",attempts=\"1\""), "p50"], [quantile(0.99; "scheduler_pod_scheduling_sli_duration_seconds"; ",attempts=\"1\""), "p99"]]),
    panel("Steps"; "s"; "p99 of the look at nodes, the search for victims, and the API server's answer to a bind."; [["histogram_quantile(0.99, sum by (le, extension_point) (rate(scheduler_framework_extension_point_duration_seconds_bucket{\(job)}[5m])))", "{{extension_point}}"]]),
    panel("Binds per second"; "ops"; "By how they ended."; [[rate_of("steelyard_binds_total"; "outcome"), "{{outcome}}"]]),
    panel("Shape cache"; "ops"; "Decisions that found their pod's shape evaluated, and evaluations on all nodes."; [[rate_of("steelyard_shape_cache_hits_total"; "job"), "hits"], [rate_of("steelyard_shape_cache_builds_total"; "job"), "builds"]])
  ]],
  ["Cluster", [
    panel("Requested of what there is"; "percentunit"; "By resource, all nodes."; [["max by (resource) (steelyard_utilization_ratio{\(job)})", "{{resource}}"]]),
    panel("Pools"; "percentunit"; "Utilization of each pool, by resource."; [["max by (pool, resource) (steelyard_pool_utilization{\(job)})", "{{pool}} {{resource}}"]]),
    panel("Gates"; "short"; "Pods that wait for an overloaded pool."; [["max by (pool) (steelyard_gate_waiting_pods{\(job)})", "{{pool}}"]]),
    panel("Preemption"; "ops"; "Attempts that chose victims, and victims."; [[rate_of("scheduler_preemption_attempts_total"; "job"), "attempts"], [rate_of("steelyard_preemption_victims_total"; "job"), "victims"]])
  ]],
  ["Itself", [
    panel("Requests per second"; "ops"; "To the API server, by code."; [[rate_of("rest_client_requests_total"; "code"), "{{code}}"]]),
    panel("Watches"; "ops"; "Objects received, by resource."; [[rate_of("steelyard_reflector_events_total"; "resource"), "{{resource}}"]]),
    panel("Memory"; "bytes"; ""; [["process_resident_memory_bytes{\(job)}", "{{instance}}"]]),
    panel("CPU"; "percentunit"; "Of one core."; [["rate(process_cpu_seconds_total{\(job)}[5m])", "{{instance}}"]])
  ]]
] as $rows
| [$rows | to_entries[] | .key as $r | .value as $row
   | {title: $row[0], type: "row", collapsed: false, panels: [], gridPos: {x: 0, y: ($r * 9), w: 24, h: 1}},
     ($row[1] | to_entries[] | .key as $c | .value + {gridPos: {x: ($c * 6), y: ($r * 9 + 1), w: 6, h: 8}})
  ] as $panels
| {
    title: "steelyard", uid: "steelyard", tags: ["kubernetes", "scheduler"], editable: true,
    schemaVersion: 39, version: 1, refresh: "30s", time: {from: "now-1h", to: "now"},
    templating: {list: [
      {name: "datasource", type: "datasource", query: "prometheus"},
      {name: "job", type: "query", datasource: {type: "prometheus", uid: "$datasource"},
       query: "label_values(steelyard_build_info, job)", refresh: 2, includeAll: true, multi: true}
    ]},
    panels: [$panels | to_entries[] | .value + {id: (.key + 1)}]
  }
