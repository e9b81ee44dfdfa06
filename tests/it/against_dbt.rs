//! The same projects through karat and through real dbt (dbt-core with dbt-duckdb): the same nodes, verdicts and rows.
//!
//! They need a dbt, so they are among the ignored tests unless they are asked for:
//! `python3 -m venv v && v/bin/pip install dbt-core dbt-duckdb`, then
//! `KARAT_DBT=$PWD/v/bin/dbt cargo test against_dbt -- --ignored`.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;

use crate::support::{Project, plain};

const PROFILES: &str = "p:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: p.duckdb, threads: 1}\n";

const PROJECT: &str = "name: p\nversion: '1.0'\nconfig-version: 2\nprofile: p\nvars: {least: 10}\nmodels:\n  p:\n    staging: {+materialized: view, +tags: [early]}\n    marts: {+materialized: table}\n";

/// A project, what is done with it, and queries whose rows must be the same.
struct Case {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// Command lines, one after the other; each may fail, but both must agree on the exit code.
    commands: &'static [&'static [&'static str]],
    queries: &'static [&'static str],
}

const SHOP_MODELS: &str = "models:
  - name: stg_orders
    columns:
      - {name: order_id, data_tests: [unique, not_null]}
      - name: status
        data_tests: [{accepted_values: {arguments: {values: [placed, shipped, returned]}}}]
      - name: customer_id
        data_tests: [{relationships: {arguments: {to: ref('customers'), field: customer_id}}}]
  - name: customer_orders
    columns:
      - {name: customer_id, data_tests: [not_null, {unique: {config: {severity: warn}}}]}
unit_tests:
  - name: returned_orders_do_not_count
    model: customer_orders
    given:
      - input: ref('stg_orders')
        rows:
          - {order_id: 1, customer_id: 7, status: placed, amount: 5, ordered_on: 2024-01-01}
          - {order_id: 2, customer_id: 7, status: returned, amount: 9, ordered_on: 2024-01-02}
      - {input: ref('customers'), format: csv, rows: \"customer_id,name\\n7,Ann\\n8,Bob\\n\"}
    expect:
      rows:
        - {customer_id: 8, orders: 0, amount: 0}
        - {customer_id: 7, orders: 1, amount: 5}
exposures:
  - {name: board, type: dashboard, owner: {name: us}, depends_on: [ref('customer_orders')]}
";

const SHOP: Case = Case {
    name: "shop",
    files: &[
        ("seeds/customers.csv", "customer_id,name\n1,Ann\n2,Bob\n3,\n"),
        (
            "seeds/orders.csv",
            "order_id,customer_id,status,cents,ordered_on\n1,1,placed,1050,2024-01-01\n2,1,returned,300,2024-01-02\n3,2,shipped,999,2024-02-03\n",
        ),
        (
            "macros/money.sql",
            "{% macro money(column, scale=2) %}({{ column }} / 100.0)::numeric(16, {{ scale }}){% endmacro %}",
        ),
        (
            "models/staging/stg_orders.sql",
            "with source as (select * from {{ ref('orders') }})\nselect order_id, customer_id, status, {{ money('cents') }} as amount, ordered_on from source",
        ),
        (
            "models/staging/recent.sql",
            "{{ config(materialized='ephemeral') }} select * from {{ ref('stg_orders') }} where ordered_on >= '2024-01-02'",
        ),
        (
            "models/marts/customer_orders.sql",
            "select c.customer_id, c.name, count(o.order_id) filter (where o.status <> 'returned') as orders, coalesce(sum(case when o.status <> 'returned' then o.amount end), 0) as amount from {{ ref('customers') }} c left join {{ ref('stg_orders') }} o using (customer_id) group by all",
        ),
        (
            "models/marts/by_status.sql",
            "{% set statuses = ['placed', 'shipped', 'returned'] %}\nselect customer_id {% for s in statuses %}, sum(case when status = '{{ s }}' then amount else 0 end) as {{ s }}_amount{% endfor %} from {{ ref('stg_orders') }} group by 1",
        ),
        (
            "models/marts/late.sql",
            "select order_id from {{ ref('recent') }} where {{ money('1') }} < {{ var('least') }}",
        ),
        ("models/models.yml", SHOP_MODELS),
        ("tests/no_negative_amounts.sql", "select * from {{ ref('stg_orders') }} where amount < 0"),
        ("analyses/top.sql", "select * from {{ ref('customer_orders') }} order by amount desc"),
    ],
    commands: &[
        &["build"],
        &["build"],
        &["test", "--select", "stg_orders"],
        &["run", "--select", "tag:early+", "--exclude", "late"],
    ],
    queries: &[
        "select * from {{ ref('customer_orders') }}",
        "select * from {{ ref('by_status') }}",
        "select * from {{ ref('late') }}",
        "select * from {{ ref('recent') }}",
        "select * from {{ ref('customers') }}",
    ],
};

const FAILURES: Case = Case {
    name: "failures",
    files: &[
        ("seeds/words.csv", "word\nx\n"),
        ("models/marts/breaks.sql", "select cast(word as integer) as x from {{ ref('words') }}"),
        ("models/staging/bad.sql", "select 1 as id union all select null"),
        ("models/marts/after_bad.sql", "select * from {{ ref('bad') }}"),
        ("models/marts/warned.sql", "select 5 as id"),
        ("models/marts/off.sql", "{{ config(enabled=false) }} select 1 as x"),
        (
            "models/models.yml",
            "models:\n  - {name: bad, columns: [{name: id, data_tests: [not_null]}]}\n  - name: warned\n    columns: [{name: id, data_tests: [{accepted_values: {arguments: {values: [1]}, config: {severity: warn}}}]}]\nunit_tests:\n  - {name: differs, model: warned, given: [], expect: {rows: [{id: 6}]}}\n",
        ),
    ],
    commands: &[
        &["seed"],
        &["run"],
        &["retry"],
        &["test"],
        &["build"],
        &["build", "--exclude", "test_type:unit", "bad+", "breaks"],
    ],
    queries: &["select * from {{ ref('warned') }}"],
};

const HISTORY: Case = Case {
    name: "history",
    files: &[
        ("seeds/states.csv", "id,state,day\n1,new,2024-01-01\n2,new,2024-01-02\n"),
        (
            "models/marts/log.sql",
            "{{ config(materialized='incremental', unique_key='id') }}\nselect id, state, day, {{ 'true' if is_incremental() else 'false' }} as again from {{ ref('states') }}\n{% if is_incremental() %} where day > (select min(day) from {{ this }}){% endif %}",
        ),
        (
            "snapshots/states_kept.yml",
            "snapshots:\n  - {name: states_kept, relation: ref('states'), config: {unique_key: id, strategy: check, check_cols: [state]}}\n",
        ),
        ("models/marts/kept.sql", "select id, state, dbt_valid_to is null as is_current from {{ ref('states_kept') }}"),
    ],
    commands: &[
        &["build"],
        &["build", "--vars", "{least: 3}"],
        &["run", "--full-refresh", "--select", "log"],
        &["snapshot"],
    ],
    queries: &["select id, state, again from {{ ref('log') }}", "select * from {{ ref('kept') }}"],
};

const VERSION_PROPERTIES: &str = "groups: [{name: sales, owner: {name: Ann}}]
models:
  - name: orders
    latest_version: 2
    config: {group: sales, access: private}
    columns:
      - {name: id, data_tests: [unique, not_null]}
      - {name: total}
      - {name: code}
    versions:
      - {v: 1, config: {alias: old_orders}}
      - v: 2
        columns: [{include: all, exclude: [code]}, {name: extra, data_tests: [not_null]}]
      - {v: 3, defined_in: next, columns: [{include: [id]}, {name: what}]}
  - name: report
    config: {group: sales, access: public}
    columns: [{name: id, data_tests: [{relationships: {arguments: {to: \"ref('orders', v=1)\", field: id}}}]}]
  - name: kept
    config: {contract: {enforced: true}}
    constraints: [{type: check, expression: amount < 100, name: small}]
    columns:
      - {name: id, data_type: bigint, constraints: [{type: not_null}, {type: primary_key}]}
      - {name: amount, data_type: double}
  - name: broken
    config: {contract: {enforced: true}}
    columns: [{name: id, data_type: bigint, constraints: [{type: not_null}]}]
unit_tests:
  - {name: first, model: orders, versions: {exclude: [3]}, given: [], expect: {rows: [{id: 1}]}}
  - {name: all, model: orders, given: [], expect: {rows: [{id: 1}]}}
";

const VERSIONS: Case = Case {
    name: "versions",
    files: &[
        ("models/orders_v1.sql", "select 1 as id, 10 as total, 'a' as code"),
        ("models/orders.sql", "{{ config(materialized='table') }} select 1 as id, 20 as total, 'x' as extra"),
        ("models/next.sql", "select 1 as id, '{{ model.version }} {{ this.identifier }}' as what"),
        (
            "models/report.sql",
            "select o.id, o.total, p.code from {{ ref('orders') }} o join {{ ref('orders', v=1) }} p using (id)",
        ),
        (
            "models/marts/kept.sql",
            "select cast(9.5 as double) as amount, cast(id as bigint) as id from (select 1 as id) as one",
        ),
        ("models/marts/broken.sql", "select cast(null as bigint) as id"),
        ("models/marts/after_broken.sql", "select * from {{ ref('broken') }}"),
        ("models/models.yml", VERSION_PROPERTIES),
    ],
    commands: &[
        &["build"],
        &["run", "--select", "orders.v2+"],
        &["test", "--select", "orders.v3"],
        &["run", "--select", "version:old", "version:latest", "access:public"],
        &["build", "--select", "group:sales"],
    ],
    queries: &[
        "select * from {{ ref('report') }}",
        "select * from {{ ref('kept') }}",
        "select * from main.old_orders",
        "select * from main.orders_v3",
    ],
};

const BATCHES: Case = Case {
    name: "batches",
    files: &[
        ("seeds/raw.csv", "id,happened\n1,2024-01-01\n2,2024-01-02\n3,2024-01-03\n4,2024-02-10\n"),
        (
            "models/staging/events.sql",
            "{{ config(materialized='table', event_time='happened') }} select id, cast(happened as timestamp) as happened from {{ ref('raw') }}",
        ),
        (
            "models/marts/days.sql",
            "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='happened', batch_size='day', begin='2024-01-01') }}\nselect id, happened, '{{ model.batch.id if model.batch }}' as batch, {{ 'true' if is_incremental() else 'false' }} as again, cast(case when id = {{ var('bad', 0) }} then 'x' else '1' end as integer) as one, (select count(*) from {{ ref('events').render() }}) as all_events from {{ ref('events') }}",
        ),
        ("models/marts/days_after.sql", "select count(*) as n from {{ ref('days') }}"),
        (
            "models/marts/months.sql",
            "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='happened', batch_size='month', begin='2023-12-01', lookback=3) }}\nselect id, happened, '{{ model.batch.event_time_start if model.batch }}' as start from {{ ref('events') }}",
        ),
    ],
    commands: &[
        &["seed"],
        &["run", "--event-time-start", "2024-01-01", "--event-time-end", "2024-01-04", "--vars", "{bad: 2}"],
        &["retry"],
        &["retry", "--vars", "{bad: 0}"],
        &["run", "--select", "days", "--event-time-start", "2024-01-02", "--event-time-end", "2024-01-03 01:00:00"],
        &["run", "--select", "days", "--event-time-start", "2024-01-05", "--vars", "{bad: 2}"],
        &[
            "run",
            "--select",
            "days",
            "--vars",
            "{bad: 1}",
            "--event-time-start",
            "2024-01-01",
            "--event-time-end",
            "2024-01-03",
        ],
    ],
    queries: &[
        "select id, batch, again, one, all_events from {{ ref('days') }}",
        "select * from {{ ref('days_after') }}",
        "select id, start from {{ ref('months') }}",
    ],
};

/// Both programs on one project, each in a folder of its own.
struct Pair {
    karat: Project,
    other: Project,
    dbt: PathBuf,
}

impl Pair {
    fn new(case: &Case, dbt: PathBuf) -> Self {
        let mut files = vec![("dbt_project.yml", PROJECT), ("profiles.yml", PROFILES)];
        files.extend(case.files);
        Self { karat: Project::new(&files), other: Project::new(&files), dbt }
    }

    fn dbt(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(&self.dbt);
        command.current_dir(self.other.path("")).args(arguments).args(["--profiles-dir", "."]);
        let output = command.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn listed(&self, arguments: &[&str]) -> (Vec<String>, Vec<String>) {
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let own = self.karat.ok(&[&["ls"], arguments].concat());
        (sorted(&own.stdout), sorted(&self.dbt(&[&["--quiet", "ls"], arguments].concat()).1))
    }

    fn rows(&self, query: &str) -> (Vec<String>, Vec<String>) {
        let own = self.karat.query(query);
        let (_, text) = self.dbt(&["--quiet", "show", "--output", "json", "--limit", "-1", "--inline", query]);
        let shown: Json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{query}: {text}"));
        (plain(&own), plain(shown["show"].as_array().unwrap()))
    }
}

/// Status and failures of each node of the last command.
fn verdicts(project: &Project) -> BTreeMap<String, String> {
    let results = project.run_results();
    let verdict = |result: &Json| {
        let text = format!("{} {}", result["status"].as_str().unwrap(), result["failures"]);
        (result["unique_id"].as_str().unwrap().to_owned(), text)
    };
    // dbt counts exposures of a `build` as results that did nothing; for karat they are no work.
    let is_work = |(id, _): &(String, String)| !id.starts_with("exposure.");
    results["results"].as_array().unwrap().iter().map(verdict).filter(is_work).collect()
}

fn compare(case: &Case) {
    let dbt = std::env::var_os("KARAT_DBT").expect("KARAT_DBT names the executable of dbt");
    let pair = Pair::new(case, dbt.into());
    for arguments in
        [&[][..], &["--resource-type", "model"], &["--select", "+marts", "--exclude", "resource_type:test"]]
    {
        let (own, other) = pair.listed(arguments);
        assert_eq!(own, other, "{}: ls {arguments:?}", case.name);
    }
    for (step, arguments) in case.commands.iter().enumerate() {
        let own = pair.karat.run(arguments);
        let (code, output) = pair.dbt(arguments);
        assert_eq!(own.code, code, "{}, step {step}: {arguments:?}\n{}\n{output}", case.name, own.stderr);
        assert_eq!(verdicts(&pair.karat), verdicts(&pair.other), "{}, step {step}: {arguments:?}", case.name);
    }
    for query in case.queries {
        let (own, other) = pair.rows(query);
        assert_eq!(own, other, "{}: {query}", case.name);
    }
}

#[test]
#[ignore = "compares with the dbt that KARAT_DBT names"]
fn against_dbt_a_shop() {
    compare(&SHOP);
}

#[test]
#[ignore = "compares with the dbt that KARAT_DBT names"]
fn against_dbt_failures() {
    compare(&FAILURES);
}

#[test]
#[ignore = "compares with the dbt that KARAT_DBT names"]
fn against_dbt_history() {
    compare(&HISTORY);
}

#[test]
#[ignore = "compares with the dbt that KARAT_DBT names"]
fn against_dbt_batches() {
    compare(&BATCHES);
}

#[test]
#[ignore = "compares with the dbt that KARAT_DBT names"]
fn against_dbt_versions() {
    compare(&VERSIONS);
}

/// What is changed in a project after its state was kept: a file, a text in it, and what stands for that text.
const CHANGES: [(&str, &str, &str); 14] = [
    ("models/marts/by_status.sql", "group by 1", "group by 1 -- same"),
    ("models/marts/late.sql", "select order_id", "{{ config(alias='x' ~ target.name) }} select order_id"),
    ("models/staging/stg_orders.sql", "with source", "{{ config(tags=['new']) }}with source"),
    ("macros/money.sql", "100.0", "100.00"),
    ("seeds/customers.csv", "3,", "4,"),
    ("dbt_project.yml", "{+materialized: table}", "{+materialized: view}"),
    ("dbt_project.yml", "+tags: [early]", "+meta: {k: 1}"),
    (
        "models/models.yml",
        "data_tests: [unique, not_null]",
        "data_tests: [unique, {not_null: {config: {severity: warn}}}]",
    ),
    ("models/models.yml", "data_tests: [unique, not_null]", "data_tests: [unique]"),
    ("models/models.yml", "- name: customer_orders\n", "- name: customer_orders\n    config: {materialized: view}\n"),
    ("models/models.yml", "- name: customer_orders\n", "- name: customer_orders\n    description: other\n"),
    ("models/models.yml", "owner: {name: us}", "owner: {name: them}"),
    ("models/models.yml", "{customer_id: 8, orders: 0, amount: 0}", "{customer_id: 8, orders: 1, amount: 0}"),
    ("tests/no_negative_amounts.sql", "< 0", "< -1"),
];

#[test]
#[ignore = "compares with the dbt that KARAT_DBT names"]
fn against_dbt_what_counts_as_modified() {
    let dbt = std::env::var_os("KARAT_DBT").expect("KARAT_DBT names the executable of dbt");
    let pair = Pair::new(&SHOP, dbt.into());
    pair.karat.ok(&["parse"]);
    pair.dbt(&["parse"]);
    for (name, project, artifact) in
        [("state", &pair.karat, &pair.karat), ("state", &pair.other, &pair.other), ("of_dbt", &pair.karat, &pair.other)]
    {
        project.write(&format!("{name}/manifest.json"), &artifact.read("target/manifest.json"));
    }
    for (file, old, new) in CHANGES {
        let before = pair.karat.read(file);
        assert!(before.contains(old), "{file}: {old}");
        for project in [&pair.karat, &pair.other] {
            project.write(file, &before.replace(old, new));
        }
        for method in ["modified", "modified.body", "modified.configs", "modified.relation", "modified.macros", "new"] {
            let select = format!("state:{method}");
            let arguments = ["--select", &select, "--indirect-selection", "empty", "--state"];
            let (own, other) = pair.listed(&[&arguments[..], &["state"]].concat());
            let other: Vec<String> = other.into_iter().filter(|line| !line.contains("No nodes")).collect();
            assert_eq!(own, other, "{file}, {old} -> {new}: {select}");
            let own = pair.karat.ok(&[&["ls"], &arguments[..], &["of_dbt"]].concat()).stdout;
            let mut own: Vec<&str> = own.lines().collect();
            own.sort_unstable();
            assert_eq!(own, other, "{file}, {old} -> {new}: {select} of dbt's state");
        }
        for project in [&pair.karat, &pair.other] {
            project.write(file, &before);
        }
    }
}
