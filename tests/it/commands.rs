//! The commands through the real binary: what they print where, their exit codes, and the artifacts.

#![expect(clippy::unwrap_used, reason = "tests")]

use insta::assert_snapshot;
use serde_json::Value as Json;

use crate::support::{Project, Run};

const SOURCES: &str = "
sources:
  - name: landing
    tables:
      - name: orders
        tags: [raw]
        external: {location: 'landing/orders/*.csv'}
        columns:
          - {name: id, data_type: bigint}
          - {name: customer_id, data_type: bigint}
          - {name: amount, data_type: 'decimal(10,2)'}
          - {name: ordered_at, data_type: timestamp with time zone}
        loaded_at_field: ordered_at
        freshness: {warn_after: {count: 1, period: day}, error_after: {count: 3, period: day}}
";

const MODELS: &str = "
models:
  - name: stg_orders
    description: One row per order.
    config: {tags: [core]}
    columns:
      - name: id
        description: The key.
        data_tests: [unique, not_null]
      - name: customer_id
        data_tests:
          - relationships: {arguments: {to: ref('customers'), field: id}}
  - name: fct_sales
    columns:
      - name: amount
        data_tests: [no_negatives]
seeds:
  - name: customers
    columns: [{name: id, data_tests: [unique]}]
exposures:
  - name: sales_board
    type: dashboard
    owner: {email: sales@example.com}
    depends_on: [ref('fct_sales')]
";

const SHOP: [(&str, &str); 11] = [
    (
        "project.yml",
        "name: shop\nversion: '1.0'\nclean-targets: [target]\nmodels:\n  shop:\n    gold:\n      +tags: [core, nightly]\n",
    ),
    ("models/sources.yml", SOURCES),
    ("models/models.yml", MODELS),
    ("models/bronze/raw_orders.sql", "select * from {{ source('landing', 'orders') }}\n"),
    (
        "models/silver/stg_orders.sql",
        "select id, customer_id, {{ money('amount') }} as amount, ordered_at from {{ ref('raw_orders') }}\n",
    ),
    (
        "models/silver/kept.sql",
        "{{ config(materialized='ephemeral') }}\nselect * from {{ ref('stg_orders') }} where amount > 0\n",
    ),
    (
        "models/gold/finance/fct_sales.sql",
        "select c.name, sum(o.amount) as amount\nfrom {{ ref('kept') }} as o\njoin {{ ref('customers') }} as c on c.id = o.customer_id\n\
         group by c.name\n",
    ),
    ("macros/money.sql", "{% macro money(column) %}cast({{ column }} as decimal(12, 2)){% endmacro %}\n"),
    ("seeds/customers.csv", "id,name\n1,Ada\n2,Bo\n"),
    (
        "snapshots/history.yml",
        "snapshots:\n  - name: customers_history\n    relation: ref('customers')\n    config: {strategy: check, unique_key: id, \
         check_cols: all}\n",
    ),
    ("tests/sales_are_whole.sql", "select name from {{ ref('fct_sales') }} where name is null\n"),
];

fn shop() -> Project {
    let project = Project::new(&SHOP);
    project.write(
        "landing/orders/1.csv",
        "id,customer_id,amount,ordered_at\n10,1,1.50,2024-04-30T05:00:00Z\n11,1,2.00,2024-04-29T00:00:00Z\n12,2,4.25,\n",
    );
    project
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn artifact(project: &Project, name: &str) -> Json {
    json(&project.read(&format!("target/{name}")))
}

/// The last line, which scripts look for.
fn verdict(run: &Run) -> &str {
    let text = if run.stdout.contains("Done. PASS") { &run.stdout } else { &run.stderr };
    text.trim_end().lines().last().unwrap_or_default()
}

#[test]
fn ls_prints_keys_within_keys() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        ("models/m.sql", "{{ config(materialized='table') }} select 1 as id"),
    ]);
    let keys =
        ["ls", "--output", "json", "--output-keys", "config.materialized", "name", "config.group", "config.none"];
    assert_eq!(project.ok(&keys).stdout.trim(), r#"{"config.materialized":"table","name":"m"}"#);
}

#[test]
fn ls_prints_selectors_names_paths_and_json() {
    let project = shop();
    assert_snapshot!(project.ok(&["ls"]).stdout, @r"
    exposure:shop.sales_board
    shop.bronze.raw_orders
    shop.customers
    shop.customers_history
    shop.gold.finance.fct_sales
    shop.no_negatives_fct_sales_amount
    shop.not_null_stg_orders_id
    shop.relationships_stg_orders_customer_id__id__ref_customers_
    shop.sales_are_whole
    shop.silver.kept
    shop.silver.stg_orders
    shop.unique_customers_id
    shop.unique_stg_orders_id
    source:shop.landing.orders
    ");
    assert_snapshot!(project.ok(&["list", "--resource-type", "model", "--output", "name"]).stdout, @r"
    fct_sales
    kept
    raw_orders
    stg_orders
    ");
    assert_snapshot!(project.ok(&["ls", "-s", "resource_type:model", "--output", "path"]).stdout, @r"
    models/bronze/raw_orders.sql
    models/gold/finance/fct_sales.sql
    models/models.yml
    models/models.yml
    models/models.yml
    models/models.yml
    models/silver/kept.sql
    models/silver/stg_orders.sql
    tests/sales_are_whole.sql
    ");
    let line = project.ok(&["ls", "--select", "fct_sales", "--resource-type", "model", "--output", "json"]).stdout;
    let node = json(&line);
    let keys: Vec<&String> = node.as_object().unwrap().keys().collect();
    assert_snapshot!(format!("{keys:?}"), @r#"
    ["name", "resource_type", "package_name", "original_file_path", "unique_id", "alias", "config", "tags", "depends_on"]
    "#);
    assert_eq!(node["unique_id"], "model.shop.fct_sales");
    assert_eq!(node["depends_on"]["nodes"], serde_json::json!(["model.shop.kept", "seed.shop.customers"]));
    let few = [
        "ls",
        "--select",
        "fct_sales",
        "--resource-type",
        "model",
        "--output",
        "json",
        "--output-keys",
        "name",
        "tags",
    ];
    assert_snapshot!(project.ok(&few).stdout, @r#"
    {"name":"fct_sales","tags":["core","nightly"]}
    "#);
}

#[test]
fn selection_understands_methods_graphs_and_sets() {
    let project = shop();
    project.write(
        "selectors.yml",
        "selectors:\n  - name: nightly\n    description: What runs at night.\n    definition: {method: tag, value: nightly, parents: true}\n",
    );
    let mut found = String::new();
    for select in [
        "fct_sales",
        "+fct_sales",
        "1+fct_sales",
        "raw_orders+",
        "@stg_orders",
        "layer:silver",
        "tag:core",
        "tag:core,layer:gold",
        "path:models/silver",
        "models/gold/finance",
        "file:fct_sales.sql",
        "fqn:shop.gold.*",
        "gold.finance",
        "source:landing+",
        "source:landing.orders",
        "exposure:sales_board",
        "config.materialized:ephemeral",
        "resource_type:seed",
        "test_type:singular",
        "test_name:unique",
        "package:shop,resource_type:snapshot",
        "stg_* customers",
        "c*s",
    ] {
        let mut arguments = vec!["ls", "--output", "name", "--exclude-resource-type", "test", "--select"];
        if select.starts_with("test_") {
            arguments = vec!["ls", "--output", "name", "--select"];
        }
        arguments.extend(select.split(' '));
        let listed = project.ok(&arguments).stdout;
        found.push_str(&format!("{select}: {}\n", listed.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let listed = |arguments: &[&str]| {
        let text = project.ok(&[&["ls", "--output", "name"], arguments].concat()).stdout;
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    found.push_str(&format!("exclude: {}\n", listed(&["--exclude", "resource_type:test", "layer:gold+", "source:*"])));
    found.push_str(&format!("selector: {}\n", listed(&["--selector", "nightly", "--resource-type", "model", "seed"])));
    for mode in ["eager", "cautious", "buildable", "empty"] {
        let arguments = ["--select", "stg_orders", "--indirect-selection", mode, "--resource-type", "test"];
        found.push_str(&format!("{mode}: {}\n", listed(&arguments)));
    }
    assert_snapshot!(found, @r"
    fct_sales: fct_sales
    +fct_sales: customers fct_sales kept landing.orders raw_orders stg_orders
    1+fct_sales: customers fct_sales kept
    raw_orders+: fct_sales kept raw_orders sales_board stg_orders
    @stg_orders: customers fct_sales kept landing.orders raw_orders sales_board stg_orders
    layer:silver: kept stg_orders
    tag:core: fct_sales stg_orders
    tag:core,layer:gold: fct_sales
    path:models/silver: kept stg_orders
    models/gold/finance: fct_sales
    file:fct_sales.sql: fct_sales
    fqn:shop.gold.*: fct_sales
    gold.finance: fct_sales
    source:landing+: fct_sales kept landing.orders raw_orders sales_board stg_orders
    source:landing.orders: landing.orders
    exposure:sales_board: sales_board
    config.materialized:ephemeral: kept
    resource_type:seed: customers
    test_type:singular: sales_are_whole
    test_name:unique: unique_customers_id unique_stg_orders_id
    package:shop,resource_type:snapshot: customers_history
    stg_* customers: customers stg_orders
    c*s: customers
    exclude: customers customers_history kept raw_orders stg_orders
    selector: customers fct_sales kept raw_orders stg_orders
    eager: not_null_stg_orders_id relationships_stg_orders_customer_id__id__ref_customers_ unique_stg_orders_id
    cautious: not_null_stg_orders_id unique_stg_orders_id
    buildable: not_null_stg_orders_id unique_stg_orders_id
    empty:
    ");
}

#[test]
fn parse_and_compile_write_what_they_made() {
    let project = shop();
    let run = project.ok(&["parse"]);
    assert_snapshot!(project.redacted(&run.stderr), @"      Parsed 4 models, 1 seeds, 1 snapshots, 1 sources, 6 tests, 1 exposures");
    assert_eq!(artifact(&project, "manifest.json")["metadata"]["project_name"], "shop");
    let run = project.ok(&["compile", "--select", "fct_sales"]);
    assert_snapshot!(run.stdout, @r#"
    with "__dbt__cte__kept" as (

    select * from "shop"."silver"."stg_orders" where amount > 0
    )
    select c.name, sum(o.amount) as amount
    from "__dbt__cte__kept" as o
    join "shop"."seeds"."customers" as c on c.id = o.customer_id
    group by c.name
    "#);
    assert_eq!(project.read("target/compiled/shop/models/gold/finance/fct_sales.sql").trim(), run.stdout.trim());
    let run = project.ok(&["compile", "--quiet", "--inline", "select {{ money('x') }} from {{ ref('stg_orders') }}"]);
    assert_snapshot!(run.stdout, @r#"
    select cast(x as decimal(12, 2)) from "shop"."silver"."stg_orders"
    "#);
    assert_eq!(run.stderr, "");
    let run = project.ok(&["compile", "-s", "stg_orders", "--output", "json"]);
    assert_eq!(json(&run.stdout)["node"], "stg_orders");
    assert!(project.files().is_empty());
}

#[test]
fn each_verb_builds_its_kind() {
    let project = shop();
    let run = project.ok(&["seed", "--show"]);
    assert_eq!(verdict(&run), "Done. PASS=1 WARN=0 ERROR=0 SKIP=0 TOTAL=1");
    assert_snapshot!(project.redacted(&run.stdout), @r"
    Previewing node `customers`:
    |  id | name |
    | --: | ---- |
    |   1 | Ada  |
    |   2 | Bo   |
    Done. PASS=1 WARN=0 ERROR=0 SKIP=0 TOTAL=1
    ");
    let run = project.ok(&["run", "--threads", "1"]);
    assert_eq!(verdict(&run), "Done. PASS=3 WARN=0 ERROR=0 SKIP=0 TOTAL=3");
    assert_snapshot!(project.redacted(&run.stderr), @r"
        Built bronze.raw_orders                    view <duration>
        Built silver.stg_orders                    table         3 rows <duration>
        Built gold.fct_sales                       table         2 rows <duration>
    Published dev@2 (3 relations changed)
     Finished run in <duration>: 3 models
    ");
    let run = project.ok(&["snapshot"]);
    assert_eq!(verdict(&run), "Done. PASS=1 WARN=0 ERROR=0 SKIP=0 TOTAL=1");
    let run = project.ok(&["test"]);
    assert_eq!(verdict(&run), "Done. PASS=6 WARN=0 ERROR=0 SKIP=0 TOTAL=6");
    let run = project.ok(&["build"]);
    assert_eq!(verdict(&run), "Done. PASS=11 WARN=0 ERROR=0 SKIP=0 TOTAL=11");
    assert_eq!(project.text("select name, amount from {{ ref('fct_sales') }} order by name"), "Ada|3.5\nBo|4.25");
    assert_eq!(project.entries("dev").len(), 4);
    // A failure: exit code 1, what depends on it is skipped.
    project.write("landing/orders/2.csv", "id,customer_id,amount,ordered_at\n13,7,-1.50,2024-04-30T05:00:00Z\n");
    let run = project.run(&["build"]).expect_code(1);
    assert_eq!(verdict(&run), "Done. PASS=7 WARN=0 ERROR=1 SKIP=3 TOTAL=11");
    assert_eq!(project.text("select count(*) as n from {{ ref('stg_orders') }}"), "3");
    let run = project.run(&["build", "--fail-fast", "--threads", "1"]).expect_code(1);
    assert!(verdict(&run).contains("ERROR=1"), "{}", run.stderr);
    // Nothing to do is fine.
    let run = project.ok(&["test", "--select", "kept", "--indirect-selection", "empty"]);
    assert_eq!(verdict(&run), "Done. PASS=0 WARN=0 ERROR=0 SKIP=0 TOTAL=0");
}

#[test]
fn show_prints_rows_in_each_form() {
    let project = shop();
    project.ok(&["build"]);
    let sql = "select column1 as n, column2 as text, column3 as price, column4 as at from (values (1, 'a, \"b\"', 1.50, \
               timestamp '2024-01-02 03:04:05.5'), (2, null, null, null), (3, 'end ', -0.25, null))";
    let shown = |form: &str| project.ok(&["show", "--inline", sql, "--output", form]).stdout;
    assert_snapshot!(shown("text"), @r#"
    |   n | text   | price | at                      |
    | --: | ------ | ----: | ----------------------- |
    |   1 | a, "b" |  1.50 | 2024-01-02T03:04:05.500 |
    |   2 | ∅      |     ∅ | ∅                       |
    |   3 | end·   | -0.25 | ∅                       |
    "#);
    assert_snapshot!(shown("json"), @r#"
    {
      "show": [
        {"n": 1, "text": "a, \"b\"", "price": 1.50, "at": "2024-01-02T03:04:05.500"},
        {"n": 2, "text": null, "price": null, "at": null},
        {"n": 3, "text": "end ", "price": -0.25, "at": null}
      ]
    }
    "#);
    assert_snapshot!(shown("csv"), @r#"
    n,text,price,at
    1,"a, ""b""",1.50,2024-01-02T03:04:05.500
    2,,,
    3,end ,-0.25,
    "#);
    assert_snapshot!(shown("ndjson"), @r#"
    {"n": 1, "text": "a, \"b\"", "price": 1.50, "at": "2024-01-02T03:04:05.500"}
    {"n": 2, "text": null, "price": null, "at": null}
    {"n": 3, "text": "end ", "price": -0.25, "at": null}
    "#);
    let run = project.ok(&["show", "--select", "customers"]);
    assert_snapshot!(run.stdout, @r"
    Previewing node `customers`:
    |  id | name |
    | --: | ---- |
    |   1 | Ada  |
    |   2 | Bo   |
    ");
    assert_eq!(json(&project.ok(&["show", "-s", "customers", "--output", "json"]).stdout)["node"], "customers");
    let count = |limit: &[&str]| {
        let arguments =
            [&["show", "--inline", "select * from generate_series(1, 30)", "--output", "ndjson"], limit].concat();
        project.ok(&arguments).stdout.lines().count()
    };
    assert_eq!(
        (count(&[]), count(&["--limit", "7"]), count(&["--limit", "-1"]), count(&["--limit", "0"])),
        (5, 7, 30, 0)
    );
    // Without a row there still are columns.
    assert_eq!(
        project.ok(&["show", "--inline", "select 1 as a, 2 as b where false", "--output", "csv"]).stdout,
        "a,b\n"
    );
    let run = project.ok(&["show", "--inline", "select 1 as a where false", "--output", "json"]);
    assert_eq!(json(&run.stdout)["show"], serde_json::json!([]));
    project.run(&["show", "--inline", "select 1 / 0 as a"]).expect_code(1);
    // Types that other systems read differently.
    let exact = project.exact(
        "select cast(12345678901234567890.123456789 as decimal(38, 9)) as d, cast('2024-01-02T03:04:05Z' as timestamp with time zone) \
         as t, date '2024-02-29' as day, [1, null] as list, named_struct('a', 1, 'b', 'x') as s, cast('NaN' as double) as nan, true as yes",
    );
    assert_snapshot!(exact, @r#"
    {"d": 12345678901234567890.123456789, "t": "2024-01-02T03:04:05Z", "day": "2024-02-29", "list": [1, null], "s": {"a": 1, "b": "x"}, "nan": null, "yes": true}
    "#);
}

#[test]
fn run_operation_calls_a_macro() {
    let project = shop();
    project.write(
        "macros/operations.sql",
        "{% macro greet(name, times=1) %}{% for i in range(times) %}{{ print('hello ' ~ name) }}{% endfor %}\
         {{ log('greeted', info=true) }}{% endmacro %}\n\
         {% macro count_of(relation) %}{% set rows = run_query('select count(*) from ' ~ ref(relation)) %}\
         {{ print(rows.rows[0][0]) }}{% endmacro %}\n\
         {% macro fails() %}{{ exceptions.raise_compiler_error('on purpose') }}{% endmacro %}\n",
    );
    let run = project.ok(&["run-operation", "greet", "--args", "{name: you, times: 2}"]);
    assert_eq!(run.stdout, "hello you\nhello you\n");
    run.expect_message(&["greeted"]);
    project.ok(&["seed"]);
    assert_eq!(project.ok(&["run-operation", "shop.count_of", "--args", "relation: customers"]).stdout, "2\n");
    let run = project.run(&["run-operation", "fails"]).expect_code(1);
    assert_snapshot!(project.complaints(&run), @r"
    error[raised-by-macro]: on purpose
     --> macros/operations.sql:3:23
      |
    3 | {% macro fails() %}{{ exceptions.raise_compiler_error('on purpose') }}{% endmacro %}
      |                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    assert_eq!(project.ok(&["run-operation", "greet", "--args", "{name: x}", "--no-print"]).stdout, "");
}

#[test]
fn freshness_passes_warns_and_fails() {
    let project = shop();
    let look = |now: &str, code: i32| {
        project.run(&["source", "freshness", "--now", now]).expect_code(code);
        let found = &artifact(&project, "sources.json")["results"][0];
        format!(
            "{} {} {}",
            found["status"].as_str().unwrap(),
            found["max_loaded_at"],
            found["max_loaded_at_time_ago_in_s"]
        )
    };
    assert_snapshot!(look("2024-04-30T06:00:00Z", 0), @r#"
    pass "2024-04-30T05:00:00.000000Z" 3600.0
    "#);
    assert_snapshot!(look("2024-05-01T06:00:00Z", 0), @r#"
    warn "2024-04-30T05:00:00.000000Z" 90000.0
    "#);
    assert_snapshot!(look("2024-05-03T06:00:00Z", 1), @r#"
    error "2024-04-30T05:00:00.000000Z" 262800.0
    "#);
    let text = artifact(&project, "sources.json");
    assert_eq!(text["metadata"]["dbt_schema_version"], "https://schemas.getdbt.com/dbt/sources/v3.json");
    assert_eq!(text["results"][0]["unique_id"], "source.shop.landing.orders");
    assert_eq!(text["results"][0]["criteria"]["warn_after"], serde_json::json!({"count": 1, "period": "day"}));
    project.ok(&["source", "freshness", "--now", "2024-04-30", "-o", "fresh.json"]);
    assert!(project.path("fresh.json").is_file());
}

#[test]
fn clean_leaves_the_warehouse() {
    let project = shop();
    project.ok(&["build"]);
    let before = project.files();
    assert!(project.path("target/manifest.json").is_file());
    project.ok(&["clean"]);
    assert!(!project.path("target/manifest.json").exists());
    assert_eq!(project.files(), before);
    // A warehouse is never cleaned, whatever the project says; nor is anything outside.
    project.write("project.yml", "name: shop\nclean-targets: [target, warehouse, models]\n");
    let run = project.run(&["clean"]).expect_code(2);
    assert_snapshot!(project.complaints(&run), @r"
    error[clean-target-refused]: the clean target `warehouse` would remove `warehouse`, which `clean` never removes
    error[clean-target-refused]: the clean target `models` would remove `models`, which `clean` never removes
    ");
    assert_eq!(project.files(), before);
}

#[test]
fn debug_says_what_is_used() {
    let project = shop();
    let run = project.ok(&["debug"]);
    assert_snapshot!(project.redacted(&run.stdout), @r"
    karat 0.1.0
    Using project.yml file in <project>
    adapter type: karat
    Configuration:
      profiles.yml file [OK not needed]
      project.yml file [OK found and valid]

    Connection:
      profile: shop
      target: dev
      database: shop
      schema: main
      warehouse: <project>/warehouse
      published: nothing yet
      Connection test: [OK connection ok]

    All checks passed!
    ");
    project.ok(&["seed"]);
    project.write("models/broken.sql", "{{ nothing");
    let run = project.ok(&["debug", "--connection"]);
    assert_snapshot!(project.redacted(&run.stdout), @r"
    karat 0.1.0
    Using project.yml file in <project>
    adapter type: karat
    Skipping steps before connection verification
    Connection:
      profile: shop
      target: dev
      database: shop
      schema: main
      warehouse: <project>/warehouse
      published: entry 1 with 1 relations
      Connection test: [OK connection ok]

    All checks passed!
    ");
    let run = project.run(&["debug", "--target", "prod"]).expect_code(2);
    assert_snapshot!(project.redacted(&run.stdout), @r"
    karat 0.1.0
    Configuration:
      profiles.yml file [ERROR invalid]
      project.yml file [OK found and valid]

    1 check failed:
    Profile loading failed for the following reason:
      The profile 'shop' does not have a target named 'prod'.
      error[unknown-target]: there is no target `prod`
    ");
    project.write("project.yml", "profile: none\n");
    let run = project.run(&["debug"]).expect_code(2);
    assert!(run.stdout.contains("\n  project.yml file [ERROR invalid]\n"), "{}", run.stdout);
}

/// dbt's flags that were refused before.
#[test]
fn queries_without_templates_and_templates_without_queries() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        ("models/m.sql", "select {{ run_query('select 7 as n').columns[0].values()[0] if execute else 0 }} as n"),
        ("models/plain.sql", "select {{ 1 if is_incremental() else 2 }} as n"),
    ]);
    let run = project.ok(&["show", "--inline-direct", "select '{{ x }}' as n", "--output", "csv", "--quiet"]);
    assert_eq!(run.stdout, "n\n{{ x }}\n");
    project.run(&["show", "--inline", "select 1", "--inline-direct", "select 1"]).expect_code(2);
    project.ok(&["compile", "-s", "m", "--introspect"]);
    for verb in ["compile", "show"] {
        project.ok(&[verb, "--no-introspect", "-s", "plain"]);
        let run = project.run(&[verb, "--no-introspect", "-s", "m"]).expect_code(2);
        run.expect_message(&["error[introspection]", "models/m.sql:1:11", "--no-introspect"]);
    }
}

#[test]
fn clean_goes_outside_of_the_project_only_when_told_to() {
    let project = Project::new(&[
        ("p/dbt_project.yml", "name: p\nversion: '1.0'\nclean-targets: [../beside]\n"),
        ("beside/file", ""),
    ]);
    let clean = |more: &[&str]| project.run(&[&["clean", "--project-dir", "p"], more].concat());
    clean(&[]).expect_code(2).expect_message(&["clean-target-refused", "outside of the project"]);
    assert!(project.path("beside").is_dir());
    clean(&["--no-clean-project-files-only"]).expect_code(0);
    assert!(!project.path("beside").exists());
    project.write("p/dbt_project.yml", "name: p\nversion: '1.0'\nclean-targets: [..]\n");
    let run = clean(&["--no-clean-project-files-only"]).expect_code(2);
    run.expect_message(&["a folder that it lies in"]);
}

#[test]
fn init_makes_a_project_that_builds() {
    let project = Project::empty();
    let run = project.ok(&["init", "shop"]);
    assert_snapshot!(project.redacted(&run.stdout), @"");
    assert_snapshot!(project.redacted(&run.stderr), @r"
         Created shop with 24 files

    Next:
      cd shop
      karat build
      karat show --select daily_sales
      karat docs generate
    ");
    let run = project.ok(&["build", "--project-dir", "shop"]);
    assert!(verdict(&run).starts_with("Done. PASS=32 ") && verdict(&run).contains(" ERROR=0 SKIP=0"), "{}", run.stderr);
    let run = project.ok(&["build", "--project-dir", "shop"]);
    assert!(verdict(&run).contains(" ERROR=0 SKIP=0"), "{}", run.stderr);
    let sql = "select * from {{ ref('daily_sales') }} order by day";
    let run = project.ok(&["show", "--project-dir", "shop", "--inline", sql, "--output", "csv"]);
    assert_snapshot!(run.stdout, @r"
    day,orders,amount_usd
    2024-01-01,2,38.50
    2024-01-02,2,62.09
    2024-01-03,2,65.25
    ");
    // The other template, and names that are none.
    assert!(project.ok(&["init", "--list-templates"]).stdout.contains("medallion "));
    project.ok(&["init", "small", "--template", "minimal"]);
    let run = project.ok(&["build", "--project-dir", "small"]);
    assert_eq!(verdict(&run), "Done. PASS=3 WARN=0 ERROR=0 SKIP=0 TOTAL=3");
    let wrong = project.run(&["init", "2nd", "--template", "medalion"]).expect_code(2);
    wrong.expect_message(&["there is no template `medalion`", "did you mean `medallion`?", "`2nd` is not a name"]);
    project.run(&["init"]).expect_code(2).expect_message(&["<NAME>"]);
    // A folder that is there is not written over.
    project.run(&["init", "shop"]).expect_code(2);
    // A name that is nearly one becomes one.
    project.ok(&["init", "my shop-1.0"]);
    assert!(project.read("my shop-1.0/project.yml").contains("name: my_shop_1_0"));
    project.run(&["init", "2nd"]).expect_code(2).expect_message(&["`2nd` is not a name of a project"]);
}

#[test]
fn scripts_for_shells_and_the_manual() {
    let project = Project::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = project.ok(&["completions", shell]);
        assert!(run.stdout.contains("source") && run.stdout.contains("karat"), "{shell}");
    }
    let run = project.ok(&["man"]);
    assert!(run.stdout.contains(".TH karat") && run.stdout.contains("KARAT_NOW"), "{}", run.stdout);
    let run = project.ok(&["--version"]);
    assert_eq!(run.stdout, format!("karat {}\n", env!("CARGO_PKG_VERSION")));
    let run = project.ok(&["--help"]);
    assert!(run.stdout.contains("Exit codes: 0 all good"), "{}", run.stdout);
    project.run(&[]).expect_code(2);
    project.run(&["biuld"]).expect_code(2).expect_message(&["build"]);
}

#[test]
fn what_a_project_says_of_logs_memory_and_python_is_heeded() {
    let project = Project::new(&[
        ("project.yml", "name: shop\nversion: '1.0'\nprofile: shop\nlog-path: logs/karat\n"),
        ("profiles.yml", "shop: {target: dev, outputs: {dev: {type: karat, memory_limit: 300MB}}}\n"),
        ("models/a.sql", "select 1 as x"),
        ("models/deep/score.py", "def model(dbt, session): ..."),
    ]);
    let run = project.ok(&["build"]);
    assert!(project.path("logs/karat/karat.log").is_file() && !project.path("target/logs").exists());
    let told = "warning[not-supported-yet]: the Python model `score` is not read: karat runs SQL models only\n --> models/deep/score.py";
    assert!(project.redacted(&run.stderr).contains(told), "{}", run.stderr);
}

#[test]
fn an_empty_file_is_listed_and_left_alone() {
    let project =
        Project::new(&[("models/empty.sql", " \n"), ("models/full.sql", "select 1 as x"), ("tests/none.sql", "\n")]);
    assert_eq!(project.ok(&["ls", "--quiet"]).stdout, "shop.empty\nshop.full\nshop.none\n");
    for verb in ["build", "compile", "run", "test"] {
        project.ok(&[verb]);
    }
    project.ok(&["build"]);
    assert_eq!(project.statuses().into_keys().collect::<Vec<_>>(), ["full"]);
    project.write("models/below.sql", "select * from {{ ref('empty') }}");
    let run = project.run(&["run"]).expect_code(2);
    run.expect_message(&["error[not-built]: `main.below` reads `main.empty`", "`models/empty.sql` is empty"]);
}

#[test]
fn the_models_of_ls_are_models() {
    let project = Project::new(&[
        ("models/a.sql", "select 1 as x"),
        ("models/s.yml", "models: [{name: a, columns: [{name: x, data_tests: [unique]}]}]\n"),
    ]);
    assert_eq!(project.ok(&["ls", "--quiet", "-m", "a"]).stdout, "shop.a\n");
    assert_eq!(project.ok(&["ls", "--quiet", "-s", "a"]).stdout, "shop.a\nshop.unique_a_x\n");
    project.ok(&["build", "-m", "a"]);
    assert_eq!(project.statuses().len(), 2);
    for other in [["-s", "a"], ["--resource-type", "model"]] {
        let run = project.run(&[&["ls", "-m", "a"], &other[..]].concat()).expect_code(2);
        run.expect_message(&["`--models` of `ls` cannot be combined with"]);
    }
}
