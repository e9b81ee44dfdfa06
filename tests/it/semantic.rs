//! The semantic layer as resources of the manifest, in both forms of dbt 1.12: metrics, semantic models, saved queries.
//!
//! The ignored tests need a dbt 1.12 with dbt-duckdb: `KARAT_DBT=…/bin/dbt` compares what both write, value by value, and
//! `KARAT_ARTIFACTS_PYTHON=…/bin/python` reads it.

#![expect(clippy::disallowed_methods, reason = "moves and reads the folders of tests")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Map, Value as Json, json};

use crate::support::{Project, Run};

const PROJECT: &str = "name: shop
version: '1.0'
profile: shop
flags: {require_nested_cumulative_type_params: false}
";

const TREES: &str = "metrics: {shop: {+meta: {team: growth}}}
semantic-models: {shop: {+meta: {layer: semantic}}}
saved-queries: {shop: {+cache: {enabled: true}, +meta: {by: \"{{ target.name }}\"}}}
";

const PROFILES: &str = "shop:
  target: dev
  outputs: {dev: {type: duckdb, path: shop.duckdb, schema: main}}
";

/// The older form: semantic models with measures, metrics with `type_params`.
const OLD: &str = "models:
  - name: orders
    columns:
      - name: order_id
        data_tests: [unique]
  - name: all_days
    time_spine:
      standard_granularity_column: day
      custom_granularities:
        - name: fiscal_year
    columns:
      - name: day
        granularity: day
      - name: fiscal_year

groups:
  - name: finance
    owner: {name: Fay}

semantic_models:
  - name: orders
    description: \"Orders. {{ doc('about') }}\"
    label: The orders
    model: ref('orders')
    config:
      group: finance
      meta: {owner: fay}
    defaults:
      agg_time_dimension: ordered_at
    primary_entity: order
    entities:
      - name: customer
        type: foreign
        expr: customer_id
        role: buyer
        description: Who bought
    dimensions:
      - name: ordered_at
        type: time
        type_params: {time_granularity: day}
      - name: channel
        type: categorical
        label: Channel
        config: {meta: {pii: false}}
    measures:
      - name: revenue
        agg: sum
        expr: amount
        description: Sum of amounts
      - name: order_count
        agg: count
        expr: 1
        create_metric: true
      - name: buyers
        agg: count_distinct
        expr: customer_id
        agg_time_dimension: ordered_at
      - name: p90
        agg: percentile
        expr: amount
        agg_params: {percentile: 0.9, use_discrete_percentile: true}
      - name: last_amount
        agg: sum
        expr: amount
        non_additive_dimension: {name: ordered_at, window_choice: max, window_groupings: [customer]}
  - name: customers
    model: ref('customers')
    entities:
      - name: customer
        type: primary
        expr: customer_id
    dimensions:
      - {name: name, type: categorical}
  - name: disabled_one
    model: ref('customers')
    config: {enabled: false}
    entities:
      - name: customer
        type: primary

metrics:
  - name: revenue
    label: Revenue
    description: Money
    type: simple
    type_params:
      measure: revenue
    filter: \"{{ Dimension('order__channel') }} = 'web'\"
    config: {group: finance, tags: [x], meta: {a: 1}}
  - name: revenue_filled
    label: Revenue filled
    type: simple
    type_params:
      measure: {name: revenue, filter: [\"a = 1\", \"b = 2\"], join_to_timespine: true, fill_nulls_with: 0, alias: rr}
    tags: [money]
    meta: {z: 9}
  - name: running
    label: Running
    type: cumulative
    type_params:
      measure: revenue
      cumulative_type_params: {window: 28 days, period_agg: last}
  - name: mtd
    label: Month to date
    type: cumulative
    type_params:
      measure: revenue
      cumulative_type_params: {grain_to_date: month}
  - name: per_order
    label: Per order
    type: ratio
    type_params:
      numerator: revenue
      denominator: {name: order_count, filter: \"x = 1\", alias: oc}
  - name: growth
    label: Growth
    type: derived
    time_granularity: week
    type_params:
      expr: revenue - before + po
      metrics:
        - revenue
        - {name: revenue, offset_window: 1 month, alias: before}
        - {name: per_order, offset_to_grain: month, alias: po}
  - name: conv
    label: Conversion
    type: conversion
    type_params:
      conversion_type_params:
        entity: customer
        base_measure: {name: order_count}
        conversion_measure: buyers
        calculation: conversions
        window: 7 days
        constant_properties: [{base_property: channel, conversion_property: channel}]
  - name: gone
    label: Gone
    type: simple
    type_params: {measure: revenue}
    config: {enabled: false}

saved_queries:
  - name: weekly
    description: Weekly numbers
    label: Weekly
    tags: b
    query_params:
      metrics: [revenue, per_order]
      group_by: [\"TimeDimension('metric_time', 'week')\", \"Dimension('order__channel')\"]
      where: \"{{ Dimension('order__channel') }} = 'web'\"
      order_by: [\"Metric('revenue').descending(True)\"]
      limit: 10
    exports:
      - name: weekly_table
        config: {export_as: table, schema: out, alias: weekly_numbers}
      - name: weekly_view
        config: {export_as: view}
    config:
      tags: [a]
      group: finance
  - name: bare
    query_params:
      metrics: [growth]

exposures:
  - name: board
    type: dashboard
    owner: {name: Bo}
    depends_on: [ref('orders'), metric('revenue'), \"metric('shop', 'growth')\"]
";

/// The newer form: models say themselves what they mean.
const NEW: &str = "models:
  - name: orders
    description: \"Orders. {{ doc('about') }}\"
    semantic_model:
      enabled: true
      name: order_facts
      group: finance
      config: {meta: {sm: 1}}
    agg_time_dimension: ordered_on
    derived_semantics:
      dimensions:
        - name: is_big
          type: categorical
          expr: amount > 3
          label: Big
        - name: ordered_week
          type: time
          expr: date_trunc('week', ordered_at)
          granularity: week
      entities:
        - name: order_channel
          type: foreign
          expr: \"order_id || channel\"
    columns:
      - name: order_id
        data_tests: [unique]
        entity:
          type: primary
          name: order
          description: The order
      - name: customer_id
        entity: foreign
      - name: ordered_at
        description: when
        granularity: day
        dimension:
          type: time
          name: ordered_on
          label: Ordered
      - name: channel
        description: Where
        config: {meta: {m: 1}}
        dimension: categorical
    metrics:
      - name: revenue
        type: simple
        agg: sum
        expr: amount
        label: Revenue
        config: {meta: {q: 1}}
      - name: buyers
        agg: count_distinct
        expr: customer_id
        hidden: true
        agg_time_dimension: ordered_week
        filter: \"a = 1\"
      - name: last_amount
        type: simple
        agg: sum
        expr: amount
        non_additive_dimension: {name: ordered_on, window_agg: max, group_by: [customer_id]}
        fill_nulls_with: 0
        join_to_timespine: true
      - name: p90
        type: simple
        agg: percentile
        expr: amount
        percentile: 0.9
        percentile_type: discrete
      - name: running
        type: cumulative
        window: 28 days
        input_metric: revenue
      - name: conv
        type: conversion
        entity: customer_id
        calculation: conversions
        base_metric: buyers
        conversion_metric: {name: buyers}
        window: 7 days
  - name: customers
    semantic_model: true
    columns:
      - name: customer_id
        entity: primary
      - name: name
        dimension: categorical
  - name: all_days
    time_spine:
      standard_granularity_column: day
    columns:
      - name: day
        granularity: day

groups:
  - name: finance
    owner: {name: Fay}

metrics:
  - name: per_order
    type: ratio
    numerator: revenue
    denominator: {name: buyers, alias: bb}
    description: Ratio
  - name: growth
    type: derived
    expr: revenue - before
    input_metrics:
      - revenue
      - {name: revenue, offset_window: 1 month, alias: before}
saved_queries:
  - name: bare
    query_params:
      metrics: [growth]
      group_by: [\"TimeDimension('metric_time', 'week')\"]
";

fn project(settings: &str, properties: &str) -> Project {
    Project::new(&[
        ("dbt_project.yml", settings),
        ("profiles.yml", PROFILES),
        (
            "models/orders.sql",
            "select 1 as order_id, 10 as customer_id, date '2024-01-01' as ordered_at, 5 as amount, 'web' as channel",
        ),
        ("models/customers.sql", "select 10 as customer_id, 'a' as name"),
        ("models/all_days.sql", "select date '2024-01-01' as day, 2024 as fiscal_year"),
        ("models/about.md", "{% docs about %}About it.{% enddocs %}\n"),
        ("models/schema.yml", properties),
        (
            "macros/show.sql",
            "{% macro show() %}{% do print('GRAPH=' ~ [graph.metrics | length, graph.semantic_models | length, \
             graph.saved_queries | length, graph.metrics['metric.shop.revenue'].type_params.measure.name, \
             graph.semantic_models['semantic_model.shop.orders'].node_relation.alias]) %}{% endmacro %}",
        ),
    ])
}

fn old() -> Project {
    project(&format!("{PROJECT}{TREES}"), OLD)
}

fn artifact(project: &Project, name: &str) -> Json {
    serde_json::from_str(&project.read(&format!("target/{name}"))).unwrap()
}

/// What is said of a project: the code, the message and the place of each complaint.
fn told(run: &Run) -> String {
    let mut told = Vec::new();
    let mut lines = run.stderr.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("error") || line.starts_with("warning") {
            let place = lines.next().and_then(|next| next.trim().strip_prefix("--> models/")).unwrap_or_default();
            told.push(format!("{} {line}", place.trim()));
        }
    }
    told.join("\n")
}

fn without(mut value: Json, keys: &[&str]) -> Json {
    for key in keys {
        value.as_object_mut().unwrap().remove(*key);
    }
    value
}

#[test]
fn the_older_form_is_in_the_manifest() {
    let project = old();
    let run = project.ok(&["parse"]);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    run.expect_message(&["2 semantic models", "8 metrics", "2 saved queries"]);
    let manifest = artifact(&project, "manifest.json");
    let about = ["resource_type", "package_name", "path", "original_file_path", "fqn", "created_at", "metadata"];
    let measure =
        json!({"name": "revenue", "filter": null, "alias": null, "join_to_timespine": false, "fill_nulls_with": null});
    let revenue = &manifest["metrics"]["metric.shop.revenue"];
    assert_eq!(
        without(revenue.clone(), &about),
        json!({
            "name": "revenue", "unique_id": "metric.shop.revenue", "description": "Money", "label": "Revenue",
            "type": "simple",
            "type_params": {
                "measure": measure, "input_measures": [measure], "numerator": null, "denominator": null,
                "expr": null, "window": null, "grain_to_date": null, "metrics": [], "conversion_type_params": null,
                "cumulative_type_params": null, "metric_aggregation_params": null, "fill_nulls_with": null,
                "join_to_timespine": false, "is_private": null,
            },
            "filter": {"where_filters": [{"where_sql_template": "{{ Dimension('order__channel') }} = 'web'"}]},
            "time_granularity": null, "sources": [], "refs": [], "metrics": [], "group": "finance",
            "config": {"enabled": true, "group": "finance", "meta": {"team": "growth", "a": 1}, "tags": ["x"]},
            "unrendered_config": {"meta": {"a": 1}, "group": "finance", "tags": ["x"]},
            "depends_on": {"macros": [], "nodes": ["semantic_model.shop.orders"]},
            "meta": {"team": "growth", "a": 1}, "tags": [],
        })
    );
    let growth = &manifest["metrics"]["metric.shop.growth"];
    let names: Vec<&Json> =
        growth["type_params"]["input_measures"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["revenue", "order_count"]);
    assert_eq!(growth["depends_on"]["nodes"], json!(["metric.shop.revenue", "metric.shop.per_order"]));
    assert_eq!(growth["type_params"]["metrics"][1]["offset_window"], json!({"count": 1, "granularity": "month"}));
    let made = &manifest["metrics"]["metric.shop.order_count"];
    assert_eq!(made["description"], "Metric created from measure order_count");
    let orders = &manifest["semantic_models"]["semantic_model.shop.orders"];
    assert_eq!(orders["description"], "Orders. About it.");
    assert_eq!((&orders["group"], &orders["primary_entity"]), (&json!("finance"), &json!("order")));
    assert_eq!(orders["node_relation"]["alias"], "orders");
    assert_eq!(orders["dimensions"][1]["config"]["meta"], json!({"layer": "semantic", "owner": "fay", "pii": false}));
    assert_eq!(orders["measures"][3]["agg_params"]["percentile"], 0.9);
    let weekly = &manifest["saved_queries"]["saved_query.shop.weekly"];
    assert_eq!(weekly["tags"], json!(["a", "b"]));
    assert_eq!(weekly["config"]["cache"], json!({"enabled": true}));
    assert_eq!(weekly["exports"][0]["config"]["schema_name"], "out");
    assert_eq!(weekly["exports"][1]["config"]["alias"], "weekly_view");
    let board = &manifest["exposures"]["exposure.shop.board"];
    assert_eq!(board["metrics"], json!([["revenue"], ["shop", "growth"]]));
    assert_eq!(board["depends_on"]["nodes"], json!(["model.shop.orders", "metric.shop.revenue", "metric.shop.growth"]));
    let children = &manifest["child_map"]["metric.shop.per_order"];
    assert_eq!(*children, json!(["metric.shop.growth", "saved_query.shop.weekly"]));
    let disabled: Vec<&String> = manifest["disabled"].as_object().unwrap().keys().collect();
    assert_eq!(disabled, ["semantic_model.shop.disabled_one", "metric.shop.gone"]);
    let all_days = &manifest["nodes"]["model.shop.all_days"];
    assert_eq!(all_days["time_spine"]["standard_granularity_column"], "day");
    assert_eq!(all_days["columns"]["day"]["granularity"], "day");
    let shown = project.ok(&["run-operation", "show"]).stdout;
    assert!(shown.contains("GRAPH=[8, 2, 2, 'revenue', 'orders']"), "{shown}");
}

#[test]
fn models_that_say_what_they_mean_are_in_the_manifest() {
    let project = project(PROJECT, NEW);
    project.ok(&["parse"]);
    let manifest = artifact(&project, "manifest.json");
    let facts = &manifest["semantic_models"]["semantic_model.shop.order_facts"];
    assert_eq!((&facts["model"], &facts["group"]), (&json!("ref('orders')"), &json!("finance")));
    let entities: Vec<(&Json, &Json)> =
        facts["entities"].as_array().unwrap().iter().map(|one| (&one["name"], &one["expr"])).collect();
    assert_eq!(
        json!(entities),
        json!([["order", "order_id"], ["customer_id", null], ["order_channel", "order_id || channel"]])
    );
    let dimensions: Vec<&Json> = facts["dimensions"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(dimensions, ["ordered_on", "channel", "is_big", "ordered_week"]);
    assert_eq!(facts["dimensions"][1]["config"]["meta"], json!({"sm": 1, "m": 1}));
    let revenue = &manifest["metrics"]["metric.shop.revenue"];
    assert_eq!(
        revenue["type_params"]["metric_aggregation_params"],
        json!({
            "semantic_model": "order_facts", "agg": "sum", "agg_time_dimension": "ordered_on",
            "agg_params": {"percentile": null, "use_discrete_percentile": false, "use_approximate_percentile": false},
            "non_additive_dimension": null,
        })
    );
    assert_eq!(revenue["depends_on"]["nodes"], json!(["semantic_model.shop.order_facts"]));
    assert_eq!(manifest["metrics"]["metric.shop.buyers"]["type_params"]["is_private"], true);
    assert_eq!(manifest["parent_map"]["metric.shop.conv"], json!(["metric.shop.buyers"]));
    let columns = &manifest["nodes"]["model.shop.orders"]["columns"];
    assert_eq!(
        (&columns["customer_id"]["entity"], &columns["channel"]["dimension"]),
        (&json!("foreign"), &json!("categorical"))
    );
    assert_eq!(columns["ordered_at"]["dimension"]["label"], "Ordered");
    // A model that is switched off means nothing, and its metrics are gone with it.
    project.write("models/schema.yml", &NEW.replace("      enabled: true\n", "      enabled: false\n"));
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(told(&run), @r"
    schema.yml:102:16 error[unknown-metric]: there is no metric `revenue`
    schema.yml:103:25 error[unknown-metric]: there is no metric `buyers`
    schema.yml:109:9 error[unknown-metric]: there is no metric `revenue`
    schema.yml:110:16 error[unknown-metric]: there is no metric `revenue`
    ");
}

/// A text without Jinja is kept as it is written, and Jinja takes one line break from the end.
#[test]
fn descriptions_are_kept_as_dbt_keeps_them() {
    let properties = OLD
        .replace("    description: Money\n", "    description: |\n      Money\n\n      comes.\n")
        .replace("description: \"Orders. {{ doc('about') }}\"", "description: |\n      {{ doc('about') }}\n");
    let project = project(PROJECT, &properties);
    project.ok(&["parse"]);
    let manifest = artifact(&project, "manifest.json");
    assert_eq!(manifest["metrics"]["metric.shop.revenue"]["description"], "Money\n\ncomes.\n");
    assert_eq!(manifest["semantic_models"]["semantic_model.shop.orders"]["description"], "About it.");
}

#[test]
fn the_semantic_manifest_says_the_same() {
    let project = old();
    project.ok(&["parse"]);
    let semantic = artifact(&project, "semantic_manifest.json");
    let names = |key: &str| -> Vec<String> {
        let all = semantic[key].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("semantic_models"), ["customers", "orders"]);
    assert_eq!(names("saved_queries"), ["bare", "weekly"]);
    assert_eq!(names("metrics").len(), 8);
    let spine = &semantic["project_configuration"]["time_spines"][0];
    assert_eq!(spine["primary_column"], json!({"name": "day", "time_granularity": "day"}));
    assert_eq!(spine["custom_granularities"], json!([{"name": "fiscal_year", "column_name": null}]));
    let orders = &semantic["semantic_models"][1];
    assert_eq!(orders["config"], json!({"meta": {"layer": "semantic", "owner": "fay"}}));
    assert!(orders.get("unique_id").is_none() && orders["dimensions"][0].get("datatype").is_some());
    assert_eq!(
        semantic["saved_queries"][1]["exports"][0],
        json!({
            "name": "weekly_table",
            "config": {"export_as": "table", "schema_name": "out", "alias": "weekly_numbers"},
        })
    );
}

#[test]
fn the_semantic_layer_is_selected_and_listed() {
    let project = old();
    let ls = |words: &[&str]| {
        let listed = project.ok(&[&["ls", "--quiet"], words].concat()).stdout;
        listed.trim_end().replace('\n', " ")
    };
    assert_eq!(ls(&["--resource-type", "semantic_model"]), "semantic_model:shop.customers semantic_model:shop.orders");
    assert_eq!(ls(&["--resource-type", "saved_query"]), "saved_query:shop.bare saved_query:shop.weekly");
    assert_eq!(
        ls(&["--select", "metric:revenue+"]),
        "exposure:shop.board metric:shop.growth metric:shop.per_order metric:shop.revenue saved_query:shop.bare \
         saved_query:shop.weekly"
    );
    assert_eq!(
        ls(&["--select", "+metric:shop.per_order", "--exclude-resource-type", "metric"]),
        "semantic_model:shop.orders shop.orders shop.unique_orders_order_id"
    );
    assert_eq!(ls(&["--select", "saved_query:w*", "semantic_model:cust*", "--output", "name"]), "customers weekly");
    // As under dbt, tags are those beside `config`, and `config.` does not look at the semantic layer.
    assert_eq!(ls(&["--select", "tag:x", "tag:money", "tag:a"]), "metric:shop.revenue_filled saved_query:shop.weekly");
    assert_eq!(ls(&["--select", "group:finance"]), "metric:shop.revenue");
    assert_eq!(ls(&["--select", "config.meta.team:growth"]), "");
    assert_eq!(ls(&["--select", "fqn:shop.growth", "--output", "path"]), "models/schema.yml");
    let told: Json = serde_json::from_str(&ls(&["--select", "saved_query:weekly", "--output", "json"])).unwrap();
    assert_eq!(told["config"]["meta"], json!({"by": "dev"}));
    assert_eq!(told["depends_on"]["nodes"], json!(["metric.shop.revenue", "metric.shop.per_order"]));
}

#[test]
fn commands_pass_over_the_semantic_layer() {
    let project = old();
    project.ok(&["build", "--select", "+saved_query:weekly"]);
    let built: Vec<String> = project.statuses().into_keys().collect();
    assert_eq!(built, ["orders", "unique_orders_order_id"]);
    project.ok(&["build"]);
    assert_eq!(project.statuses().len(), 4);
    project.ok(&["docs", "generate"]);
    let page = project.read("target/index.html");
    assert!(page.contains("metric.shop.per_order") && page.contains("Semantic layer"));
    let lineage = project.ok(&["docs", "lineage", "--output", "mermaid", "--file", "-", "--select", "+metric:growth"]);
    assert_snapshot!(lineage.stdout, @r#"
    flowchart LR
      subgraph models["Models"]
        n0["main.orders"]
      end
      subgraph semantic["Semantic layer"]
        n1{{"growth"}}
        n2{{"order_count"}}
        n3{{"orders"}}
        n4{{"per_order"}}
        n5{{"revenue"}}
      end
      n4 --> n1
      n5 --> n1
      n3 --> n2
      n0 --> n3
      n2 --> n4
      n5 --> n4
      n3 --> n5
    "#);
}

#[test]
fn changes_of_the_semantic_layer_are_seen() {
    let project = old();
    project.ok(&["parse"]);
    std::fs::rename(project.path("target"), project.path("before")).unwrap();
    for (from, to, modified) in [
        ("description: Money", "description: Money", ""),
        ("description: Money", "description: Much money", "metric:shop.revenue"),
        ("meta: {a: 1}", "meta: {a: 2}", "metric:shop.revenue"),
        // dbt does not look at filters, at what a metric is made of, nor at its group.
        ("= 'web'\"\n    config: {group: finance, ", "= 'shop'\"\n    config: {", ""),
        (
            "agg: sum\n        expr: amount\n        desc",
            "agg: max\n        expr: amount\n        desc",
            "semantic_model:shop.orders",
        ),
        ("alias: weekly_numbers", "alias: weekly_n", "saved_query:shop.weekly"),
        ("tags: b", "tags: c", "saved_query:shop.weekly"),
        ("limit: 10", "limit: 11", ""),
    ] {
        assert!(OLD.contains(from), "{from}");
        project.write("models/schema.yml", &OLD.replacen(from, to, 1));
        let listed = project.ok(&["ls", "--quiet", "--state", "before", "--select", "state:modified"]).stdout;
        assert_eq!(listed.trim_end(), modified, "{to}");
    }
    let more = "metrics:\n  - {name: extra, label: Extra, type: simple, type_params: {measure: buyers}}\n";
    project.write("models/schema.yml", &OLD.replacen("metrics:\n", more, 1));
    let listed = |question: &str| project.ok(&["ls", "--quiet", "--state", "before", "--select", question]).stdout;
    assert_eq!(listed("state:new"), "metric:shop.extra\n");
    assert_eq!(listed("state:modified"), "");
}

#[test]
fn what_is_wrong_with_a_line_is_told() {
    let project = project(
        PROJECT,
        "models:
  - name: all_days
    time_spine:
      standard_granularity_column: dai
      custom_granularities: [{name: fiscal_year}]
    columns:
      - {name: day, granularity: daily}
      - {name: at, dimension: time}
semantic_models:
  - {name: no_ref, model: orders}
  - name: no_model
  - name: orders
    model: ref('order')
    entities: [{name: customer, type: primry}, {type: primary}]
    measures: [{name: revenue, agg: summ}]
metrics:
  - {name: no label, type: simple, type_params: {measure: mm}}
  - {name: typed, label: x, type: simpel, type_params: {measure: mm}}
  - {name: rr, label: b, type: ratio, type_params: {numerator: typed}}
  - {name: dd, label: c, type: derived, type_params: {expr: 1, metrics: [{name: rr, offset_window: 3}]}}
  - {name: cc, label: d, type: cumulative, type_params: {measure: mm, window: [1]}}
  - {name: top, agg: sum, type: simple}
  - {name: conv, type: conversion}
saved_queries:
  - name: no_params
  - name: query
    query_params: {metrics: [], limit: many}
    exports: [{name: ee}, {name: ff, config: {export_as: tabel}}]
",
    );
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(told(&run), @r"
    schema.yml:7:34 error[bad-value]: `granularity` can't be `daily`
    schema.yml:8:16 error[missing-key]: column `at` has no `granularity`
    schema.yml:11:5 error[missing-key]: semantic model `no_model` has no `model`
    schema.yml:14:39 error[bad-value]: `type` can't be `primry`
    schema.yml:14:48 error[missing-key]: this entity has no `name`
    schema.yml:15:37 error[bad-value]: `agg` can't be `summ`
    schema.yml:17:12 error[bad-name]: `no label` can't be the name of a metric
    schema.yml:17:5 error[missing-key]: metric `no label` has no `label`
    schema.yml:18:35 error[bad-value]: `type` can't be `simpel`
    schema.yml:19:12 error[missing-key]: metric `rr` is `ratio` and has no `denominator`
    schema.yml:20:100 error[bad-value]: `offset_window` can't be `3`
    schema.yml:21:79 error[wrong-type]: `window` of `type_params` of metric `cc` must be a text, but is a list
    schema.yml:22:12 error[bad-value]: metric `top` aggregates rows, but belongs to no model
    schema.yml:23:12 error[missing-key]: metric `conv` is `conversion` and has no `base_metric`, `conversion_metric` and `entity`
    schema.yml:25:11 error[missing-key]: saved query `no_params` has no `query_params`
    schema.yml:27:40 error[wrong-type]: `limit` of `query_params` of a saved query must be a whole number, but is a text
    schema.yml:4:36 error[bad-time-spine]: the time spine of model `all_days` has no column `dai`
    schema.yml:5:37 error[bad-time-spine]: the time spine of model `all_days` has no column `fiscal_year`
    schema.yml:10:27 error[bad-relation]: `model` of semantic model `no_ref` is `orders`
    schema.yml:28:22 error[missing-key]: export `ee` has no `export_as`
    schema.yml:28:58 error[bad-value]: `export_as` can't be `tabel`
    schema.yml:13:12 error[unknown-ref]: there is no model, seed or snapshot `order`
    schema.yml:19:64 error[unknown-metric]: there is no metric `typed`
    schema.yml:21:67 error[unknown-measure]: there is no measure `mm`
    schema.yml:20:81 warning[unused-input]: the expression of the metric `dd` does not use `rr`
    ");
}

#[test]
fn names_that_lead_nowhere_are_told() {
    let project = project(
        PROJECT,
        "models:
  - name: all_days
    time_spine: {standard_granularity_column: day}
    columns: [{name: day, granularity: month}]
semantic_models:
  - {name: orders, model: ref('orders'), measures: [{name: revenue, agg: sum}], config: {enabled: false}}
  - {name: customers, model: ref('customer')}
  - {name: customers, model: ref('customers')}
metrics:
  - {name: m_one, label: a, type: simple, type_params: {measure: revenu}}
  - {name: m_two, label: b, type: simple, type_params: {measure: revenue}}
  - {name: m_three, label: c, type: derived, type_params: {expr: m_on, metrics: [m_on]}}
  - {name: gone, label: d, type: derived, type_params: {expr: m_on, metrics: [m_on]}, config: {enabled: false}}
saved_queries:
  - {name: query, query_params: {metrics: [gone]}}
exposures:
  - {name: board, type: dashboard, owner: {name: Bo}, depends_on: [metric('nope'), metric(nope)]}
",
    );
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(told(&run), @r"
    schema.yml:17:84 error[bad-relation]: `depends_on` of exposure `board` has `metric(nope)`
    schema.yml:8:12 error[duplicate-name]: there are two semantic models `customers`
    schema.yml:17:68 error[unknown-metric]: there is no metric `nope`
    schema.yml:7:30 error[unknown-ref]: there is no model, seed or snapshot `customer`
    schema.yml:10:66 error[unknown-measure]: there is no measure `revenu`
    schema.yml:11:66 error[unknown-measure]: the measure `revenue` is of the semantic model `orders`, which is disabled
    schema.yml:12:82 error[unknown-metric]: there is no metric `m_on`
    schema.yml:15:44 error[unknown-metric]: the metric `gone` is disabled
    schema.yml:7:12 error[missing-time-spine]: there are semantic models, but no model is the table of all days
    ");
    let circle = "metrics:
  - {name: aa, label: A, type: derived, type_params: {expr: bb, metrics: [bb]}}
  - {name: bb, label: B, type: derived, type_params: {expr: aa, metrics: [aa]}}
";
    project.write("models/schema.yml", circle);
    project.run(&["parse"]).expect_code(2).expect_message(&["error[cycle]", "`aa` -> `bb` -> `aa`"]);
}

#[test]
fn the_rules_of_the_semantic_layer_are_held() {
    let spine = "models:
  - name: all_days
    time_spine: {standard_granularity_column: day}
    columns: [{name: day, granularity: day}]
";
    let rest = "semantic_models:
  - name: orders
    model: ref('orders')
    label: Same
    defaults: {agg_time_dimension: ordered}
    entities: [{name: order_id, type: primary}, {name: customer, type: primary}]
    dimensions:
      - {name: ordered_at, type: time, type_params: {time_granularity: day}}
      - {name: day, type: categorical}
      - {name: channel, type: categorical}
    measures:
      - {name: channel, agg: count}
      - {name: p90, agg: percentile, agg_params: {percentile: 90}, agg_time_dimension: channel}
      - name: last
        agg: sum
        agg_time_dimension: ordered_at
        non_additive_dimension: {name: channel, window_choice: sum, window_groupings: [nobody]}
  - name: customers
    model: ref('customers')
    label: Same
    dimensions: [{name: name, type: categorical}]
    measures: [{name: last, agg: sum, expr: 1}]
metrics:
  - {name: total, label: Total, type: simple, type_params: {measure: last}}
  - {name: Shout, label: Total, type: simple, type_params: {measure: last}}
  - {name: both, label: B, type: cumulative, type_params: {measure: last, cumulative_type_params: {window: 3 days, grain_to_date: moon}}}
  - {name: derived, label: D, type: derived, type_params: {expr: total, metrics: [total, {name: both, alias: total}]}}
  - {name: conv, label: C, type: conversion, type_params: {conversion_type_params: {entity: order_id, base_measure: last, conversion_measure: p90}}}
";
    let project = project(PROJECT, &format!("{spine}{rest}"));
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(told(&run), @r"
    schema.yml:22:11 error[bad-semantic-model]: the semantic model `customers` has dimensions, but no primary entity
    schema.yml:13:16 error[bad-semantic-model]: `day` can't be the name of a dimension: queries of metrics use it for time
    schema.yml:16:16 error[bad-semantic-model]: the semantic model `orders` has the name `channel` for a dimension and a measure
    schema.yml:10:56 error[bad-semantic-model]: the semantic model `orders` has more than one primary entity
    schema.yml:9:36 error[bad-semantic-model]: the semantic model `orders` has no dimension of time `ordered`
    schema.yml:26:23 error[bad-semantic-model]: measure `last` has no time by which it is aggregated
    schema.yml:16:16 error[bad-semantic-model]: measure `channel` counts, but does not say what
    schema.yml:17:16 error[bad-semantic-model]: measure `p90` is a percentile, but not between 0 and 1
    schema.yml:17:88 error[bad-semantic-model]: the semantic model `orders` has no dimension of time `channel`
    schema.yml:18:15 error[bad-semantic-model]: the semantic models `customers` and `orders` both have a measure `last`
    schema.yml:21:40 error[bad-semantic-model]: measure `last` does not add up over `channel`, which is no dimension of time
    schema.yml:21:40 error[bad-semantic-model]: measure `last` takes the `sum` of `channel`
    schema.yml:21:40 error[bad-semantic-model]: measure `last` is grouped by `nobody`, which is no entity of its model
    schema.yml:29:12 error[bad-metric]: `Shout` can't be the name of a metric
    schema.yml:30:12 error[bad-metric]: the metric `both` has both a `window` and a `grain_to_date`
    schema.yml:30:12 error[bad-metric]: the metric `both` counts time in `moon`
    schema.yml:32:143 error[bad-metric]: the metric `conv` converts `p90`, which is a `percentile` and no number of things
    schema.yml:31:97 error[bad-metric]: the metric `derived` has two inputs of the name `total`
    schema.yml:28:12 error[bad-metric]: the metrics `Shout` and `total` have the same label `Total`
    schema.yml:6:11 error[bad-semantic-model]: the semantic models `customers` and `orders` have the same label `Same`
    ");
    // Of metrics that aggregate rows themselves dbt takes nearly all.
    let newer = "  - name: orders
    semantic_model: true
    columns:
      - {name: order_id, entity: primary}
      - {name: channel, dimension: categorical}
    metrics:
      - {name: revenue, agg: sum, expr: amount}
      - {name: all_rows, agg: count, agg_time_dimension: nope}
      - {name: some, agg: percentile, agg_time_dimension: channel, percentile_type: exact}
      - {name: more, type: derived, input_metrics: [revenue]}
";
    project.write("models/schema.yml", &format!("{spine}{newer}"));
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(told(&run), @r"
    schema.yml:13:85 warning[bad-metric]: `percentile_type` of metric `some` is `exact`
    schema.yml:14:16 warning[bad-metric]: metric `more` is `derived` and has no `expr`
    schema.yml:12:16 error[bad-metric]: metric `all_rows` counts, but does not say what
    schema.yml:12:58 warning[bad-semantic-model]: the semantic model `orders` has no dimension of time `nope`
    schema.yml:11:16 warning[bad-metric]: metric `revenue` has no time by which it is aggregated
    schema.yml:13:16 warning[bad-metric]: metric `some` is a percentile, but not between 0 and 1
    schema.yml:13:59 warning[bad-semantic-model]: the semantic model `orders` has no dimension of time `channel`
    ");
    let versions = format!("{spine}{newer}    versions: [{{v: 1}}]\n");
    project.write("models/schema.yml", &versions);
    project.write("models/orders_v1.sql", &project.read("models/orders.sql"));
    project.remove("models/orders.sql");
    let run = project.run(&["parse"]).expect_code(0);
    run.expect_message(&[
        "warning[bad-semantic-model]",
        "`orders` has versions, so its `semantic_model` is passed over",
    ]);
    project.write("models/schema.yml", "semantic_models: [{name: orders, model: ref('orders_v1')}]\n");
    let run = project.run(&["parse"]).expect_code(2);
    assert_snapshot!(told(&run), @r"
    schema.yml:1:26 error[missing-time-spine]: there are semantic models, but no model is the table of all days
    ");
    // The older way to say it is the name.
    project.write("models/metricflow_time_spine.sql", "select date '2024-01-01' as date_day");
    project.ok(&["parse"]);
    let semantic = artifact(&project, "semantic_manifest.json");
    let spine = &semantic["project_configuration"]["time_spine_table_configurations"][0];
    assert_eq!((&spine["column_name"], &spine["grain"]), (&json!("date_day"), &json!("day")));
}

/// What both programs write, without what each run says anew.
fn compared(project: &Path) -> BTreeMap<String, Json> {
    let load = |name: &str| -> Json {
        let file = std::fs::File::open(project.join("target").join(name)).unwrap();
        serde_json::from_reader(file).unwrap()
    };
    let (manifest, semantic) = (load("manifest.json"), load("semantic_manifest.json"));
    let mut all = BTreeMap::new();
    for section in ["metrics", "semantic_models", "saved_queries", "exposures", "disabled", "parent_map", "child_map"] {
        for (id, value) in manifest[section].as_object().unwrap() {
            let mut value = value.clone();
            if let Some(entry) = value.get_mut(0).filter(|entry| entry.is_object()) {
                *entry = without(entry.clone(), &["created_at"]);
            } else if value.is_object() {
                value = without(value, &["created_at"]);
            }
            all.insert(format!("{section} {id}"), value);
        }
    }
    for (id, node) in manifest["nodes"].as_object().unwrap() {
        let own: Map<String, Json> =
            ["columns", "time_spine"].iter().map(|key| ((*key).to_owned(), node[*key].clone())).collect();
        all.insert(format!("node {id}"), Json::Object(own));
    }
    for section in ["metrics", "semantic_models", "saved_queries"] {
        for value in semantic[section].as_array().unwrap() {
            all.insert(format!("semantic {section} {}", value["name"]), value.clone());
        }
    }
    all.insert("project_configuration".to_owned(), semantic["project_configuration"].clone());
    all
}

#[test]
#[ignore = "needs dbt: KARAT_DBT"]
fn both_programs_write_the_same() {
    let dbt = std::env::var_os("KARAT_DBT").expect("KARAT_DBT names the dbt to compare with");
    for project in [old(), project(PROJECT, NEW)] {
        project.ok(&["parse"]);
        let own = compared(&project.path(""));
        let run = Command::new(&dbt)
            .args(["--no-send-anonymous-usage-stats", "parse", "--profiles-dir", "."])
            .current_dir(project.path(""))
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        let theirs = compared(&project.path(""));
        assert_eq!(own.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        for (name, value) in &own {
            assert_eq!(*value, theirs[name], "{name}");
        }
    }
}

#[test]
#[ignore = "needs Python with dbt-artifacts-parser and dbt: KARAT_ARTIFACTS_PYTHON"]
fn dbts_own_readers_take_what_is_written() {
    let python = std::env::var_os("KARAT_ARTIFACTS_PYTHON").expect("KARAT_ARTIFACTS_PYTHON names a Python");
    let script = "import json, sys
from dbt_artifacts_parser import parser
from metricflow_semantic_interfaces.implementations.semantic_manifest import PydanticSemanticManifest
from metricflow_semantic_interfaces.validations.semantic_manifest_validator import SemanticManifestValidator
parser.parse_manifest(manifest=json.load(open(sys.argv[1] + '/manifest.json')))
manifest = PydanticSemanticManifest.parse_raw(open(sys.argv[1] + '/semantic_manifest.json').read())
assert not SemanticManifestValidator().validate_semantic_manifest(manifest).errors
";
    for project in [old(), project(PROJECT, NEW)] {
        project.ok(&["parse"]);
        let read = Command::new(&python).args(["-c", script]).arg(project.path("target")).output().unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
}
