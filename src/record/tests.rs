//! Tests of the module above.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::*;
use crate::base::ident::Identifier;
use crate::base::source::{Location, SourceFile};
use crate::execute::result::{NodeResult, Publication, RowCounts, RunResult, Status, Timing};
use crate::manifest::config::{Materialization, NodeConfig, SnapshotStrategy};
use crate::manifest::manifest::{DocBlock, Macro, Manifest};
use crate::manifest::node::{
    Age, Code, Column, Detail, Exposure, Freshness, GenericTestCall, Node, NodeId, RefCall, ResourceType, SourceCall,
    SourceTable, TestDetail,
};
use crate::manifest::relation::{Database, Layer, Relation};
use crate::manifest::source::{ExternalSource, FileFormat, MissingFiles, Policy};
use crate::record::catalog::{CatalogColumn, CatalogRow};
use crate::record::freshness::{FreshnessFound, FreshnessResult, FreshnessStatus};
use crate::record::manifest::artifact as manifest_artifact;

fn node(id: &str, path: &str, detail: Detail) -> Node {
    let kind = ResourceType::parse(id.split('.').next().unwrap()).unwrap();
    let name = id.split('.').nth(if kind == ResourceType::Source { 3 } else { 2 }).unwrap();
    let file = SourceFile::new(path, "select 1 as id");
    let identifier = |text: &str| Identifier::new(text).unwrap();
    let has_code = !matches!(kind, ResourceType::Seed | ResourceType::Source | ResourceType::Exposure);
    Node {
        id: NodeId::new(id),
        resource_type: kind,
        name: name.to_owned(),
        package: "shop".into(),
        package_folder: String::new(),
        path: path.into(),
        relative_path: path.split_once('/').map_or(path, |(_, rest)| rest).into(),
        patch_path: Some("models/schema.yml".into()),
        fqn: vec!["shop".into(), name.to_owned()],
        layer: Some(Layer::Gold),
        code: has_code.then(|| Code { file: Arc::clone(&file), text: "select 1 as id".into(), offset: Some(0) }),
        location: Some(Location::of_file(&file)),
        config: NodeConfig::default(),
        relation: (kind != ResourceType::Exposure).then(|| Relation {
            database: Database::home(identifier("dev")),
            schema: identifier("gold"),
            identifier: identifier(name),
        }),
        description: "described".into(),
        columns: IndexMap::from([("id".into(), Column { name: "id".into(), ..Column::default() })]),
        refs: vec![RefCall { package: None, name: "stg".into(), version: None, location: None }],
        sources: vec![SourceCall { source: "src".into(), table: "t".into(), location: None }],
        functions: Vec::new(),
        depends_on: Vec::new(),
        own_macros: vec!["macro.shop.cents".into()],
        macros: Vec::new(),
        doc_blocks: Vec::new(),
        introspective: false,
        foreseen: Vec::new(),
        detail,
    }
}

/// A project with every kind of node.
fn project() -> Manifest {
    let mut manifest = Manifest { project_name: "shop".into(), ..Manifest::default() };
    let mut ephemeral = node("model.shop.stg", "models/stg.sql", Detail::Model(Box::default()));
    ephemeral.config.materialized = Materialization::Ephemeral;
    ephemeral.depends_on = vec![NodeId::new("source.shop.src.t")];
    let mut model = node("model.shop.fct", "models/gold/fct.sql", Detail::Model(Box::default()));
    model.depends_on = vec![ephemeral.id.clone()];
    model.config.raw.insert("indexes".into(), json!(["own"]));
    let mut test = node("test.shop.unique_fct_id", "models/schema.yml", Detail::Model(Box::default()));
    test.detail = Detail::Test(TestDetail {
        generic: Some(GenericTestCall {
            name: "unique".into(),
            namespace: None,
            arguments: IndexMap::from([("values".into(), json!([1]))]),
            config: IndexMap::new(),
        }),
        attached_node: Some(model.id.clone()),
        column_name: Some("id".into()),
    });
    test.code = test.code.map(|code| Code { offset: None, ..code });
    test.depends_on = vec![model.id.clone()];
    let singular = TestDetail { generic: None, attached_node: None, column_name: None };
    let mut single = node("test.shop.sing", "tests/sing.sql", Detail::Test(singular));
    single.depends_on = vec![model.id.clone()];
    let seed = Detail::Seed { path: "seeds/raw.csv".into(), checksum: "ab".into() };
    let mut snapshot = node("snapshot.shop.snap", "snapshots/snap.yml", Detail::Snapshot);
    snapshot.config.snapshot_strategy = Some(SnapshotStrategy::Check { columns: None, updated_at: None });
    snapshot.depends_on = vec![NodeId::new("seed.shop.raw")];
    let table = SourceTable {
        unrendered_database: None,
        unrendered_schema: None,
        source_name: "src".into(),
        source_description: String::new(),
        loader: String::new(),
        external: Some(ExternalSource {
            location: "landing/*.csv".into(),
            format: FileFormat::Csv,
            options: IndexMap::new(),
            columns: Vec::new(),
            on_new_column: Policy::Allow,
            on_missing_column: Policy::Allow,
            on_type_change: Policy::Allow,
            missing_files: MissingFiles::Fail,
        }),
        loaded_at_field: Some("ts".into()),
        loaded_at_query: None,
        freshness: Some(freshness()),
    };
    let exposure = Exposure {
        kind: "dashboard".into(),
        owner: IndexMap::from([("email".into(), json!("jo@example.com"))]),
        ..Exposure::default()
    };
    let mut exposed = node("exposure.shop.dash", "models/schema.yml", Detail::Exposure(exposure));
    exposed.depends_on = vec![model.id.clone()];
    let hook = Detail::Operation { event: "on-run-end", index: 0 };
    let nodes = vec![
        ephemeral,
        model,
        test,
        single,
        snapshot,
        exposed,
        node("seed.shop.raw", "seeds/raw.csv", seed),
        node("source.shop.src.t", "models/schema.yml", Detail::Source(Box::new(table))),
        node("operation.shop.shop-on-run-end-0", "project.yml", hook),
    ];
    manifest.disabled.push(Arc::new(node("model.shop.off", "models/off.sql", Detail::Model(Box::default()))));
    manifest.nodes = nodes.into_iter().map(|node| (node.id.clone(), Arc::new(node))).collect();
    let cents = Macro {
        depends_on: Vec::new(),
        id: "macro.shop.cents".into(),
        name: "cents".into(),
        package: "shop".into(),
        path: "macros/cents.sql".into(),
        sql: "{% macro cents(x) %}{% endmacro %}".into(),
        description: String::new(),
        arguments: Vec::new(),
        meta: IndexMap::new(),
        shown: true,
        patch_path: None,
        location: None,
    };
    manifest.macros.insert(cents.id.clone(), Arc::new(cents));
    let block =
        DocBlock { name: "d".into(), package: "shop".into(), path: "models/d.md".into(), contents: "text".into() };
    manifest.docs.insert("doc.shop.d".into(), Arc::new(block));
    manifest
}

fn freshness() -> Freshness {
    Freshness { warn_after: Some(Age { count: 1, period: "hour".into() }), ..Freshness::default() }
}

fn invocation() -> Invocation {
    let time = crate::base::clock::parse_now("2024-01-31T06:00:00Z").unwrap();
    Invocation {
        id: "00000000-0000-0000-0000-000000000000".into(),
        started_at: time,
        generated_at: time,
        env: BTreeMap::new(),
    }
}

fn manifest_json() -> Json {
    let manifest = project();
    let sql = [("model.shop.fct", "select * from __dbt__cte__stg"), ("model.shop.stg", "select 1")];
    let sql = sql.into_iter().map(|(id, text)| (NodeId::new(id), text.to_owned())).collect();
    manifest_artifact(&manifest, &sql, Path::new("target"), &invocation())
}

fn run() -> RunResult {
    let manifest = project();
    let time = invocation().started_at;
    let result = |id: &str, status: Status| NodeResult {
        node: Arc::clone(manifest.get(&NodeId::new(id)).unwrap()),
        status,
        message: Some("a message".into()),
        action: "table",
        failures: (status == Status::Fail).then_some(2),
        rows: Some(RowCounts { inserted: 3, updated: 1, deleted: 0, total: 9 }),
        bytes_written: 10,
        timing: vec![Timing { name: "compile", started_at: time, completed_at: time }],
        worker: 1,
        execution_time: Duration::from_millis(250),
        compiled_sql: Some("select 1".into()),
        ephemeral: Vec::new(),
        diagnostics: Vec::new(),
        failing_rows: None,
        failures_relation: None,
        batches: None,
        withheld: false,
    };
    RunResult {
        results: vec![
            result("model.shop.fct", Status::Success),
            result("test.shop.unique_fct_id", Status::Fail),
            result("snapshot.shop.snap", Status::Skipped),
        ],
        publication: Some(Publication { environment: "dev".into(), entry: 42, relations: 1 }),
        failure: None,
        interrupted: false,
        elapsed: Duration::from_secs(1),
    }
}

fn keys(value: &Json) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The keys that dbt writes for every node with SQL.
const SQL_NODE_KEYS: &str = "database schema name resource_type package_name path original_file_path unique_id fqn \
    alias checksum config tags description columns meta group docs patch_path build_path unrendered_config created_at \
    relation_name raw_code doc_blocks language refs sources metrics depends_on compiled_path compiled compiled_code \
    extra_ctes_injected extra_ctes contract";

#[test]
fn the_manifest_has_all_keys_of_dbt() {
    let manifest = manifest_json();
    let expected = "metadata nodes sources macros docs exposures metrics groups selectors disabled parent_map \
        child_map group_map saved_queries semantic_models unit_tests functions";
    assert_eq!(keys(&manifest), expected.split_whitespace().collect());
    let (common, no_sql) = (
        SQL_NODE_KEYS,
        "language refs sources metrics compiled_path compiled compiled_code \
        extra_ctes_injected extra_ctes contract",
    );
    let no_sql: BTreeSet<&str> = no_sql.split_whitespace().collect();
    for (id, further) in [
        ("model.shop.fct", "access constraints version latest_version deprecation_date primary_key time_spine"),
        ("test.shop.unique_fct_id", "column_name file_key_name attached_node test_metadata"),
        ("test.shop.sing", ""),
        ("snapshot.shop.snap", ""),
        ("operation.shop.shop-on-run-end-0", "index"),
        ("seed.shop.raw", "root_path"),
    ] {
        let mut expected: BTreeSet<&str> = common.split_whitespace().chain(further.split_whitespace()).collect();
        if id.starts_with("seed") {
            expected.retain(|key| !no_sql.contains(key));
        }
        let found = keys(&manifest["nodes"][id]);
        assert!(found.is_superset(&expected), "{id}: {:?}", expected.difference(&found));
    }
}

#[test]
fn the_manifest_says_what_dbt_says() {
    let manifest = manifest_json();
    let model = &manifest["nodes"]["model.shop.fct"];
    assert_eq!(model["compiled_path"], "target/compiled/shop/models/gold/fct.sql");
    assert_eq!(model["patch_path"], "shop://models/schema.yml");
    assert_eq!(model["relation_name"], r#""dev"."gold"."fct""#);
    assert_eq!(model["primary_key"], json!(["id"]));
    assert_eq!((&model["config"]["indexes"], &model["config"]["layer"]), (&json!(["own"]), &json!("gold")));
    let cte = json!([{"id": "model.shop.stg", "sql": " __dbt__cte__stg as (\nselect 1\n)"}]);
    assert_eq!(model["extra_ctes"], cte);
    assert_eq!(manifest["nodes"]["model.shop.stg"]["relation_name"], Json::Null);
    let test = &manifest["nodes"]["test.shop.unique_fct_id"];
    let metadata = json!({
        "name": "unique",
        "kwargs": {"column_name": "id", "values": [1], "model": "{{ get_where_subquery(ref('fct')) }}"},
        "namespace": null,
    });
    assert_eq!((&test["test_metadata"], &test["file_key_name"]), (&metadata, &json!("models.fct")));
    assert_eq!(manifest["parent_map"]["model.shop.fct"], json!(["model.shop.stg"]));
    let children = json!(["exposure.shop.dash", "test.shop.sing", "test.shop.unique_fct_id"]);
    assert_eq!(manifest["child_map"]["model.shop.fct"], children);
    assert_eq!(manifest["sources"]["source.shop.src.t"]["external"]["file_format"], "csv");
    assert_eq!(manifest["disabled"]["model.shop.off"][0]["name"], "off");
}

#[test]
fn compiled_sql_has_a_path_of_its_own() {
    let manifest = project();
    let path = |id: &str| compiled::path(manifest.get(&NodeId::new(id)).unwrap()).display().to_string();
    assert_eq!(path("model.shop.fct"), "shop/models/gold/fct.sql");
    assert_eq!(path("test.shop.unique_fct_id"), "shop/models/schema.yml/unique_fct_id.sql");
    assert_eq!(path("test.shop.sing"), "shop/tests/sing.sql");
    assert_eq!(path("snapshot.shop.snap"), "shop/snapshots/snap.yml/snap.sql");
    assert_eq!(path("operation.shop.shop-on-run-end-0"), "shop/project.yml/hooks/shop-on-run-end-0.sql");
    let mut hostile = node("test.shop.x", "../../etc/schema.yml", Detail::Model(Box::default()));
    hostile.name = format!("../é/{}", "x".repeat(300));
    let path = compiled::path(&hostile);
    assert!(path.starts_with("shop/etc/schema.yml") && path.components().count() == 4, "{}", path.display());
    assert!(path.file_name().unwrap().len() <= 255);
}

#[test]
fn results_count_rows_and_skip_what_was_not_done() {
    let args = IndexMap::from([("which".to_owned(), json!("build"))]);
    let results = run_results::artifact(&run(), &args, &invocation());
    let model = &results["results"][0];
    assert_eq!(model["adapter_response"]["rows_affected"], 4);
    assert_eq!((&model["failures"], &model["compiled"]), (&Json::Null, &json!(true)));
    assert_eq!((&results["results"][1]["failures"], &results["results"][1]["status"]), (&json!(2), &json!("fail")));
    assert_eq!(results["results"][2]["adapter_response"], json!({}));
    assert_eq!(results["args"]["published"], "dev@42");
}

#[test]
fn freshness_is_judged_by_age() {
    let criteria = Freshness { error_after: Some(Age { count: 1, period: "day".into() }), ..freshness() };
    let verdict = |minutes| FreshnessStatus::of(chrono::TimeDelta::minutes(minutes), &criteria);
    assert_eq!(
        [verdict(60), verdict(61), verdict(24 * 60 + 1)],
        [FreshnessStatus::Pass, FreshnessStatus::Warn, FreshnessStatus::Error]
    );
}

#[test]
fn nodes_of_a_package_have_the_paths_that_the_package_gives_them() {
    let mut node = node("model.utils.days", "dbt_packages/utils/models/days.sql", Detail::Model(Box::default()));
    node.package = "utils".into();
    node.package_folder = "dbt_packages/utils".into();
    assert_eq!(manifest::node_json(&node)["original_file_path"], "models/days.sql");
    assert_eq!(compiled::path(&node), Path::new("utils/models/days.sql"));
}

#[test]
fn artifacts_are_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = project();
    let rows = [CatalogRow {
        id: NodeId::new("model.shop.fct"),
        kind: "table",
        columns: vec![CatalogColumn { name: "id".into(), data_type: "bigint".into() }],
        rows: Some(9),
        bytes: Some(10),
    }];
    let time = invocation().started_at;
    let found = FreshnessFound {
        max_loaded_at: time,
        snapshotted_at: time,
        status: FreshnessStatus::Pass,
        criteria: freshness(),
        timing: Vec::new(),
        worker: 1,
        execution_time: Duration::ZERO,
    };
    let fresh = [
        FreshnessResult { id: NodeId::new("source.shop.src.t"), outcome: Ok(found) },
        FreshnessResult { id: NodeId::new("source.shop.src.u"), outcome: Err("no such table".into()) },
    ];
    let artifacts = [
        ("manifest.json", manifest_json()),
        ("run_results.json", run_results::artifact(&run(), &IndexMap::new(), &invocation())),
        ("catalog.json", catalog::artifact(&manifest, &rows, &invocation())),
        ("sources.json", freshness::artifact(&fresh, Duration::ZERO, &invocation())),
    ];
    for (name, artifact) in &artifacts {
        write(folder.path(), name, artifact).unwrap();
        let text = fs::read_text(&folder.path().join(name), 1 << 20).unwrap();
        assert_eq!(&serde_json::from_str::<Json>(&text).unwrap(), artifact);
    }
}
