//! Tests of the module: small projects in, nodes and rendered diagnostics out.

use std::fmt::Write as _;
use std::path::Path;

use super::*;
use crate::manifest::config::{HardDeletes, SnapshotStrategy};
use crate::manifest::node::{Detail, Node, NodeId};
use crate::manifest::source::{FileFormat, MissingFiles, Policy};

fn shown(diagnostics: &Diagnostics) -> String {
    diagnostics.0.iter().map(|diagnostic| diagnostic.render(false) + "\n").collect()
}

fn invocation(vars: &str) -> Invocation {
    let mut env = ProcessEnv::default();
    env.0.insert("STAGE".into(), "prod".into());
    env.0.insert("DBT_ENV_SECRET_KEY".into(), "hidden-value".into());
    Invocation {
        env,
        clock: Clock::new(crate::base::clock::parse_now("2024-01-31").ok()),
        id: Uuid::nil(),
        vars: parse_command_line(vars).unwrap(),
        flags: IndexMap::new(),
        arguments: IndexMap::new(),
    }
}

fn parse_in(root: &Path, vars: &str) -> (ParsedProject, Diagnostics) {
    let invocation = invocation(vars);
    let (opened, mut diagnostics) = open(root, TargetChoice::default(), &invocation);
    let (project, target) = opened.unwrap_or_else(|| panic!("{}", shown(&diagnostics)));
    let (parsed, found) = parse(&project, &target, &invocation);
    diagnostics.extend(found);
    (parsed, diagnostics)
}

fn parsed(files: &[(&str, &str)]) -> (ParsedProject, Diagnostics) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        crate::base::fs::write_atomic(&folder.path().join(path), text.as_bytes()).unwrap();
    }
    parse_in(folder.path(), "")
}

fn clean(files: &[(&str, &str)]) -> Manifest {
    let (project, diagnostics) = parsed(files);
    assert_eq!(shown(&diagnostics), "");
    project.manifest
}

fn node<'a>(manifest: &'a Manifest, id: &str) -> &'a Node {
    manifest.get(&NodeId::new(id)).unwrap_or_else(|| panic!("no {id} in {:?}", manifest.nodes.keys()))
}

/// Every node in one line: id, relation, materialization, parents.
fn summary(manifest: &Manifest) -> String {
    let mut text = String::new();
    for node in manifest.nodes.values() {
        let relation = node.relation.as_ref().map(|relation| relation.to_sql().replace('"', "")).unwrap_or_default();
        let materialized = node.config.raw.get("materialized").and_then(Json::as_str).unwrap_or("-");
        let parents: Vec<&str> = node.depends_on.iter().map(NodeId::as_str).collect();
        writeln!(text, "{} | {relation} | {materialized} | {}", node.id, parents.join(", ")).unwrap();
    }
    text
}

const MEDALLION: [(&str, &str); 9] = [
    ("models/bronze/raw.sql", "select * from {{ source('land', 'users') }}"),
    ("models/silver/users.sql", "{{ config(schema='x') }} select * from {{ ref('raw') }}"),
    ("models/silver/deep/items.sql", "select * from {{ ref('raw') }}"),
    ("models/gold/core/facts.sql", "select * from {{ ref('users') }}, {{ ref('shop', 'items') }}, {{ ref('codes') }}"),
    ("models/other.sql", "select 1"),
    ("models/sources.yml", "sources: [{name: land, tables: [{name: users}]}]"),
    (
        "snapshots/s.sql",
        "{% snapshot users_history %}{{ config(strategy='check', check_cols='all', unique_key=['a', 'b']) }}select * from {{ ref('users') }}{% endsnapshot %}",
    ),
    ("seeds/codes.csv", "a\n1\n"),
    ("tests/t.sql", "select * from {{ ref('facts') }}"),
];

#[test]
fn parse_layers_give_schemas_and_materializations() {
    let mut files = MEDALLION.to_vec();
    files.push(("project.yml", "name: shop\n"));
    insta::assert_snapshot!("karat", summary(&clean(&files)));
}

#[test]
fn parse_a_dbt_project_behaves_as_under_dbt() {
    let mut files = MEDALLION.to_vec();
    files.push(("dbt_project.yml", "name: shop\nprofile: p\n"));
    files.push(("profiles.yml", "p: {target: t, outputs: {t: {type: karat, schema: dev}}}"));
    insta::assert_snapshot!("dbt", summary(&clean(&files)));
}

#[test]
fn parse_naming_macros_of_the_project_name_everything() {
    let mut files = MEDALLION.to_vec();
    files.push(("project.yml", "name: shop\n"));
    let macros = "{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name or 'all_' ~ node.fqn[1] }}{% endmacro %}\
                  {% macro generate_alias_name(custom_alias_name=none, node=none) -%} {{ node.name | upper }} {%- endmacro %}";
    files.push(("macros/names.sql", macros));
    insta::assert_snapshot!("named", summary(&clean(&files)));
}

#[test]
fn parse_configuration_precedence() {
    let project = "
name: shop
models:
  +tags: [root]
  +meta: {a: 1, b: 1}
  +pre-hook: \"select '{{ this }}'\"
  +alias: from_root
  materialized: view
  shop:
    +tags: shop
    +meta: {b: 2}
    silver:
      +materialized: \"{{ 'incremental' if env_var('STAGE') == 'prod' else 'table' }}\"
      +alias: null
      cleared:
        +tags: null
      unused: {+tags: [x]}
      meta: {c: 1}
";
    let yaml = "
models:
  - name: one
    meta: {c: 3}
    config: {tags: [yaml, root], pre_hook: [{sql: two}], unique_key: id}
  - name: ones
    columns: []
";
    let one = "{{ config(\n    materialized='table', tags='file',\n    meta={'d': 4}, pre_hook='three', materialised='x') }} select 1";
    let (project, diagnostics) = parsed(&[
        ("project.yml", project),
        ("models/silver/one.sql", one),
        (
            "models/silver/cleared/two.sql",
            "{{ config(unique_key=['a', 'b'], severity=3) }} select '{{ config.get('alias', 'none') }}'",
        ),
        (
            "models/three.sql",
            "{{ config(materialized='tabel', enabled='maybe', incremental_strategy='upsert') }}select 1",
        ),
        ("models/schema.yml", yaml),
    ]);
    let manifest = project.manifest;
    let one = node(&manifest, "model.shop.one");
    assert_eq!(
        json!(one.config.raw),
        json!({
            "materialized": "table",
            "tags": ["root", "shop", "yaml", "file"],
            "meta": {"a": 1, "b": 2, "c": 3, "d": 4},
            "pre-hook": ["select '{{ this }}'", {"sql": "two"}, "three"],
            "unique_key": "id",
            "materialised": "x",
            "enabled": true,
        })
    );
    assert_eq!(
        one.config.pre_hook.iter().map(|hook| hook.sql.as_str()).collect::<Vec<_>>(),
        ["select '{{ this }}'", "two", "three"]
    );
    assert_eq!(one.patch_path.as_deref(), Some("models/schema.yml"));
    let two = node(&manifest, "model.shop.two");
    assert_eq!((two.config.tags.len(), two.config.materialized.as_str()), (0, "incremental"));
    assert_eq!(two.config.unique_key, ["a", "b"]);
    let three = &node(&manifest, "model.shop.three").config;
    assert_eq!(three.alias.as_deref(), Some("from_root"));
    let unusable: Vec<&str> = three.unusable.iter().map(|found| found.message.as_str()).collect();
    assert_eq!(unusable, ["`materialized` can't be `tabel`", "`incremental_strategy` can't be `upsert`"]);
    insta::assert_snapshot!(shown(&diagnostics));
}

#[test]
fn parse_generic_tests_have_the_names_and_ids_of_dbt() {
    let yaml = "
models:
  - name: customers
    columns: [{name: customer_id, tests: [unique, not_null]}]
  - name: orders
    columns:
      - {name: order_id, tests: [unique, not_null]}
      - name: customer_id
        tags: [key]
        tests:
          - not_null
          - relationships: {to: ref('customers'), field: customer_id}
      - name: status
        tests:
          - accepted_values:
              values: ['placed', 'shipped', 'completed', 'return_pending', 'returned']
              config: {severity: warn, where: \"status <> '{{ var('nothing', 'x') }}'\", warn_if: '>10'}
  - name: later
    data_tests:
      - mine: {name: my_name, arguments: {threshold: 3, names: {a: b}}}
sources:
  - name: raw
    tables:
      - name: users
        columns: [{name: id, quote: true, tests: [not_null]}]
";
    let manifest = clean(&[
        ("dbt_project.yml", "name: jaffle_shop\ndata_tests: {+limit: 5}\n"),
        ("models/customers.sql", "select 1"),
        ("models/orders.sql", "select 1"),
        ("models/later.sql", "select 1"),
        ("models/schema.yml", yaml),
        (
            "tests/generic/mine.sql",
            "{% test mine(model, threshold, names) %}{{ config(severity='warn', limit=9) }}select * from {{ model }}, {{ ref('orders') }} where {{ threshold }} > 1{% endtest %}",
        ),
    ]);
    let mut text = String::new();
    for test in manifest.of_type(ResourceType::Test) {
        let parents: Vec<&str> = test.depends_on.iter().map(NodeId::as_str).collect();
        let code = test.code.as_ref().unwrap();
        let alias = test.relation.as_ref().unwrap().short_name();
        writeln!(
            text,
            "{}\n  {alias}\n  {}\n  on {} {:?} {:?} {:?} {:?}",
            test.id,
            code.text,
            parents.join(", "),
            test.config.severity,
            test.config.limit,
            test.config.where_clause,
            test.config.tags
        )
        .unwrap();
    }
    insta::assert_snapshot!(text);
    let known = [
        "unique_customers_customer_id.c5af1ff4b1",
        "not_null_customers_customer_id.5c9bf9911d",
        "unique_orders_order_id.fed79b3a6e",
        "not_null_orders_order_id.cf6c17daed",
        "not_null_orders_customer_id.c5f02694af",
        "relationships_orders_customer_id__customer_id__ref_customers_.c6ec7f58f2",
        "accepted_values_orders_status__placed__shipped__completed__return_pending__returned.be6b5b5ec3",
    ];
    for id in known {
        let id = format!("test.jaffle_shop.{id}");
        assert_eq!(node(&manifest, &id).id.as_str(), id);
    }
    let kwargs = test_kwargs(&manifest, node(&manifest, "test.jaffle_shop.unique_orders_order_id.fed79b3a6e"));
    assert_eq!(json!(kwargs), json!({"column_name": "order_id", "model": "{{ get_where_subquery(ref('orders')) }}"}));
}

#[test]
fn parse_sources_over_files() {
    let yaml = "
sources:
  - name: land
    description: \"{{ doc('land') }}!\"
    schema: \"{{ var('schema', 'landing') }}\"
    external: {location: \"{{ var('folder') }}/{schema}/{name}/*.csv\", options: {delimiter: ';'}, missing_files: warn}
    freshness: {warn_after: {count: 12, period: hour}}
    loaded_at_field: at
    tables:
      - name: users
        identifier: user_rows
        columns: [{name: id, data_type: bigint}, {name: note}]
      - name: items
        external: {location: 's3://b/{a,b}/{identifier}.ndjson.gz', on_type_change: fail}
      - {name: plain, external: {location: folder, format: delta, columns: [a, {name: b, data_type: int}]}}
  - name: duck
    config: {meta: {external_location: 'data/{name}.parquet'}}
    tables: [{name: t}]
  - name: warehouse
    tables: [{name: relation, config: {enabled: false}}, {name: other, tags: [x]}]
";
    let files = [
        ("project.yml", "name: shop\nvars: {folder: data}\n"),
        ("models/sources.yml", yaml),
        ("models/docs.md", "# Title\n{% docs land %}\nWhere it\nlands\n{% enddocs %}"),
        ("models/m.sql", "select * from {{ source('land', 'users') }}"),
    ];
    let manifest = clean(&files);
    let users = node(&manifest, "source.shop.land.users");
    let detail = users.source().unwrap();
    assert_eq!(detail.source_description, "Where it\nlands!");
    assert_eq!(users.relation.as_ref().unwrap().short_name(), "landing.user_rows");
    assert_eq!(detail.freshness.as_ref().unwrap().warn_after.as_ref().unwrap().count, 12);
    assert_eq!(detail.loaded_at_field.as_deref(), Some("at"));
    let external = detail.external.as_ref().unwrap();
    assert_eq!((external.location.as_str(), external.format), ("data/landing/users/*.csv", FileFormat::Csv));
    assert_eq!(external.missing_files, MissingFiles::Warn);
    assert_eq!(external.options["delimiter"], ";");
    let columns: Vec<_> =
        external.columns.iter().map(|column| (column.name.as_str(), column.data_type.as_deref())).collect();
    assert_eq!(columns, [("id", Some("bigint")), ("note", None)]);
    let external = |name: &str| node(&manifest, name).source().unwrap().external.clone().unwrap();
    let items = external("source.shop.land.items");
    assert_eq!((items.location.as_str(), items.format), ("s3://b/{a,b}/items.ndjson.gz", FileFormat::Json));
    assert_eq!((items.on_type_change, items.on_missing_column), (Policy::Fail, Policy::Warn));
    assert_eq!(external("source.shop.land.plain").columns.len(), 2);
    assert_eq!(external("source.shop.duck.t").location, "data/t.parquet");
    assert!(node(&manifest, "source.shop.warehouse.other").source().unwrap().external.is_none());
    assert_eq!(manifest.disabled.len(), 1);

    let bad = "
sources:
  - name: land
    tables:
      - {name: a, external: {location: \"read_csv('x/*.csv')\"}}
      - {name: b, external: {location: 'x/{nmae}.csv'}}
      - {name: c, external: {location: 'folder'}}
      - {name: d, external: {format: csv}}
      - {name: e, external: {location: x, format: cvs}}
      - {name: f, external: {location: \"{{ var('foldr') }}\"}}
  - {name: land 2, tables: [{name: x}]}
  - {name: third, database: elsewhere, tables: [{name: x}]}
";
    let (_, diagnostics) =
        parsed(&[("project.yml", "name: shop\nvars: {folder: data}\n"), ("models/sources.yml", bad)]);
    insta::assert_snapshot!(shown(&diagnostics));
}

#[test]
fn parse_snapshots_exposures_hooks_and_docs() {
    let yaml = "
snapshots:
  - name: users_history
    relation: ref('users')
    description: History
    config: {strategy: timestamp, updated_at: at, unique_key: id, hard_deletes: invalidate, snapshot_meta_column_names: {dbt_valid_from: valid_from}}
    data_tests: [not_empty]
    columns: [{name: id, description: \"The {{ doc('key') }} of {{ doc('shop', 'key') }}\", meta: {pii: true}, constraints: [{type: not_null}]}]
models:
  - {name: users, description: \"{{ doc('key') }}\"}
macros: [{name: cents, description: Money}]
exposures:
  - {name: board, type: dashboard, owner: {name: Me, email: me@example.com}, depends_on: [ref('users'), \"source('land', 'x')\"], tags: [t]}
sources: [{name: land, tables: [{name: x}]}]
";
    let manifest = clean(&[
        ("project.yml", "name: shop\non-run-start: [\"select '{{ target.name }}'\"]\non-run-end: select 2\n"),
        ("models/users.sql", "select 1"),
        ("models/a/all.yml", yaml),
        ("models/docs.md", "{% docs key %}key{% enddocs %}"),
        (
            "macros/m.sql",
            "{% macro cents(x) %}{{ x }} * 100{% endmacro %}{% test not_empty(model) %}select * from {{ model }}{% endtest %}",
        ),
        ("analyses/deep/a.sql", "select {{ cents(1) }} from {{ ref('users') }}"),
        ("selectors.yml", "selectors:\n  - {name: nightly, default: true, definition: 'tag:x'}\n"),
    ]);
    insta::assert_snapshot!("kinds", summary(&manifest));
    let history = node(&manifest, "snapshot.shop.users_history");
    assert_eq!(history.config.snapshot_strategy, Some(SnapshotStrategy::Timestamp { updated_at: "at".into() }));
    assert_eq!(history.config.hard_deletes, HardDeletes::Invalidate);
    assert_eq!(history.config.snapshot_columns.valid_from, "valid_from");
    assert_eq!(history.code.as_ref().unwrap().text.as_ref(), "select * from {{ ref('users') }}");
    assert_eq!(history.fqn, ["shop", "a", "users_history"]);
    assert_eq!(history.columns["id"].description, "The key of key");
    let kinds: Vec<&str> = history.columns["id"].constraints.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["not_null"]);
    let analysis = node(&manifest, "analysis.shop.a");
    assert_eq!(analysis.fqn, ["shop", "analysis", "deep", "a"]);
    assert_eq!(analysis.macros, ["macro.shop.cents"]);
    assert_eq!(manifest.macros["macro.shop.cents"].description, "Money");
    assert_eq!(manifest.docs["doc.shop.key"].contents, "key");
    assert_eq!(manifest.selectors["nightly"]["definition"], "tag:x");
    let hook = node(&manifest, "operation.shop.shop-on-run-start-0");
    assert_eq!(hook.code.as_ref().unwrap().text.as_ref(), "select '{{ target.name }}'");
    assert!(matches!(hook.detail, Detail::Operation { event: "on-run-start", index: 0 }));
    let Detail::Exposure(exposure) = &node(&manifest, "exposure.shop.board").detail else { panic!("no exposure") };
    assert_eq!(exposure.owner["email"], "me@example.com");
}

#[test]
fn parse_packages_have_their_own_names_and_obey_the_root() {
    let manifest = clean(&[
        (
            "project.yml",
            "name: shop\nvars: {utils: {x: from_root}}\nmodels: {utils: {+materialized: table, +schema: pkg}}\n",
        ),
        (
            "models/silver/mine.sql",
            "select * from {{ ref('theirs') }}, {{ ref('utils', 'shared') }}, {{ ref('shared') }} {{ utils.greet() }}",
        ),
        ("models/shared.sql", "select 1"),
        ("dbt_packages/utils/dbt_project.yml", "name: utils\nvars: {x: own, y: own}\n"),
        (
            "dbt_packages/utils/models/silver/theirs.sql",
            "{{ config(materialized='view', tags=[var('x'), var('y')]) }} select * from {{ ref('shared') }}",
        ),
        ("dbt_packages/utils/models/shared.sql", "{{ config(alias='shared_too') }} select 1"),
        (
            "dbt_packages/utils/models/s.yml",
            "models: [{name: theirs, unknown: 1, columns: [{name: id, tests: [odd]}]}]",
        ),
        (
            "dbt_packages/utils/macros/m.sql",
            "{% macro greet() %}hello{% endmacro %}{% test odd(model, column_name) %}select {{ column_name }} from {{ model }}{% endtest %}",
        ),
    ]);
    insta::assert_snapshot!("packages", summary(&manifest));
    let theirs = node(&manifest, "model.utils.theirs");
    assert_eq!(theirs.config.tags, ["from_root", "own"]);
    assert_eq!(theirs.path, "dbt_packages/utils/models/silver/theirs.sql");
}

#[test]
fn parse_reports_all_problems_where_they_are() {
    let yaml = "
models:
  - name: users
    description: \"{{ doc('nothing') }}\"
    columns:
      - name: id
        data_tests:
          - uniqe
          - dbt_utils.thing
          - unique
          - unique
          - relationships: {to: ref('userz'), field: id}
          - accepted_values: {values: [1], config: {severity: fatal, error_if: many}}
snapshots:
  - {name: no_strategy, relation: users}
  - {name: bad_one, relation: ref('users'), config: {strategy: timestmp, unique_key: id, max_delete_fraction: 3}}
  - {name: other, relation: ref('users'), config: {strategy: check}}
seeds:
  - {name: codes, config: {delimiter: ';;', column_types: [a]}}
exposures:
  - {name: board, type: dashboard, owner: {name: Me}, depends_on: [users]}
";
    let (_, diagnostics) = parsed(&[
        ("project.yml", "name: shop\n"),
        ("models/users.sql", "select *\nfrom {{ ref('ordrs') }}\njoin {{ source('land', 'y') }}\n"),
        (
            "models/orders.sql",
            "select * from {{ source('lnd', 'x') }}, {{ source('land', 'x') }}, {{ ref('off') }}, {{ ref('nopkg', 'users') }}, {{ ref('x') }}",
        ),
        ("models/off.sql", "{{ config(enabled=false) }} select 1"),
        ("models/a/twice.sql", "select 1"),
        ("models/b/twice.sql", "select 1"),
        ("models/c/Users.sql", "select 1"),
        ("models/bad name.sql", "select 1"),
        ("models/jinja.sql", "select 1\nfrom {{ nothing( }}\n"),
        ("models/secret.sql", "select '{{ env_var('DBT_ENV_SECRET_KEY') }}', '{{ env_var('MISSING') }}'"),
        (
            "models/undefined.sql",
            "{{ config(materialized='incremental', incremental_strategy='merge') }}\nselect '{{ var('missing') }}'",
        ),
        ("models/schema.yml", yaml),
        (
            "models/again.yml",
            "models: [{name: orders}, {name: orders}, {name: usres}]\nsources: [{name: land, tables: [{name: x}]}]",
        ),
        ("seeds/codes.csv", "a\n"),
    ]);
    insta::assert_snapshot!(shown(&diagnostics));
}

#[test]
fn parse_marks_introspective_models() {
    let manifest = clean(&[
        ("project.yml", "name: shop\n"),
        (
            "models/a.sql",
            "{% set rows = run_query('select 1') %}{% if execute %}{{ rows.columns[0].values() }}{% endif %} select 1",
        ),
        ("models/b.sql", "select {{ ['a'] | join }} from {{ ref('a') }}"),
    ]);
    assert!(node(&manifest, "model.shop.a").introspective);
    assert!(!node(&manifest, "model.shop.b").introspective);
    let call = &node(&manifest, "model.shop.b").refs[0];
    let place = call.location.as_ref().unwrap();
    assert_eq!((place.file.path.as_str(), place.start().line), ("models/b.sql", 1));
}

#[test]
fn parse_command_line_variables_win() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("project.yml", "name: shop\nvars: {a: 1, shop: {b: 2}}\n"),
        ("models/m.sql", "{{ config(tags=[var('a') | string, var('b') | string, var('c', 'd')]) }}select 1"),
    ] {
        crate::base::fs::write_atomic(&folder.path().join(path), text.as_bytes()).unwrap();
    }
    let (project, diagnostics) = parse_in(folder.path(), "{a: 9}");
    assert_eq!(shown(&diagnostics), "");
    assert_eq!(node(&project.manifest, "model.shop.m").config.tags, ["9", "2", "d"]);
    assert_eq!(project.vars.names("shop"), ["a", "b", "shop"]);
    let problems = parse_command_line("[1]").unwrap_err();
    assert_eq!(problems.0[0].to_string(), "--vars:1:1: error[bad-vars]: `--vars` must be a mapping, but is a list");
}
