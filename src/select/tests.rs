//! Tests of the selection language: one table of texts and their answers, then the named selectors and the messages.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::base::source::SourceFile;
use crate::graph::Dag;
use crate::graph::testing::{configure, manifest};
use crate::manifest::manifest::Manifest;
use crate::manifest::node::{NodeId, ResourceType};
use crate::select::IndirectSelection::{Buildable, Cautious, Eager, Empty};
use crate::select::{SelectArgs, select};

const EVERYTHING: [ResourceType; 8] = [
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Snapshot,
    ResourceType::Source,
    ResourceType::Test,
    ResourceType::Exposure,
    ResourceType::Analysis,
    ResourceType::Operation,
];
const MODELS: [ResourceType; 1] = [ResourceType::Model];

fn shop() -> Manifest {
    let mut shop = manifest(&[
        "source bronze/raw.orders",
        "source bronze/raw.users",
        "source bronze/web.events",
        "seed countries",
        "model silver/stg_orders < raw.orders",
        "model silver/stg_users < raw.users, countries",
        "model gold/core/orders < stg_orders",
        "model gold/core/users < stg_users, stg_orders",
        "model gold/finance/revenue < orders, users",
        "model lib:helpers/calendar",
        "snapshot users_history < stg_users",
        "test not_null:not_null_stg_orders_id < stg_orders",
        "test unique:unique_orders_id < orders",
        "test relationships:orders_have_users < orders, users",
        "test relationships:orders_complete < orders, stg_orders",
        "test revenue_adds_up < revenue",
        "exposure board < revenue",
    ]);
    configure(&mut shop, "model.shop.stg_orders", &json!({ "tags": ["nightly", "hot"], "group": "finance" }));
    configure(
        &mut shop,
        "model.shop.revenue",
        &json!({
            "tags": ["nightly"], "materialized": "table", "access": "public", "transient": true,
            "meta": { "owner": "ann", "level": 3, "levels": [3], "teams": ["a", "b"] },
        }),
    );
    configure(&mut shop, "test.shop.unique_orders_id", &json!({ "severity": "warn" }));
    configure(&mut shop, "source.shop.raw.users", &json!({ "tags": ["pii"] }));
    shop
}

fn words(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }
}

/// The selected names in alphabetical order, and the codes of the diagnostics.
fn ask(manifest: &Manifest, args: &SelectArgs, kinds: &[ResourceType]) -> String {
    let (dag, _) = Dag::new(manifest);
    let (selection, diagnostics) = select(manifest, &dag, args, kinds);
    let mut names: Vec<String> = selection.iter().map(|id| manifest.nodes[id].name.clone()).collect();
    names.sort();
    names.extend(diagnostics.0.iter().map(|diagnostic| format!("!{}", diagnostic.code)));
    names.join(" ")
}

#[test]
fn select_answers_dbt_texts() {
    let shop = shop();
    let none = "!no-match !nothing-selected";
    // Text of `--select`, of `--exclude`, models selected.
    let cases = [
        ("", "", "calendar orders revenue stg_orders stg_users users"),
        // Names.
        ("orders", "", "orders"),
        ("shop.gold.core.orders", "", "orders"),
        ("gold.core.orders", "", "orders"),
        ("core.orders", "", none),
        ("gold.core", "", "orders users"),
        ("gold", "", "orders revenue users"),
        ("shop", "", "orders revenue stg_orders stg_users users"),
        ("lib", "", "calendar"),
        ("fqn:gold", "", "orders revenue users"),
        ("orde", "", none),
        ("*", "", "calendar orders revenue stg_orders stg_users users"),
        ("stg_*", "", "stg_orders stg_users"),
        ("gold.*.?sers", "", "users"),
        ("*.core.*", "", "orders users"),
        ("gold.c[a-o]re", "", none),
        ("gold.c[a-o]re.*", "", "orders users"),
        ("gold.[!c]*", "", "revenue"),
        ("[uo]*ers", "", "orders users"),
        // Sets.
        ("orders users", "", "orders users"),
        ("  orders \t users  ", "", "orders users"),
        ("orders , users", "", "orders users"),
        ("gold,tag:nightly", "", "revenue"),
        // The test that reads both a silver and a gold model is in both parts, so the text does match.
        ("silver,gold", "", "!nothing-selected"),
        ("silver,lib", "", none),
        ("gold", "core.orders revenue", "orders users !no-match"),
        ("gold", "orders revenue", "users"),
        ("", "tag:nightly silver", "calendar orders users"),
        ("gold", "gold", "!nothing-selected"),
        // The graph.
        ("+orders", "", "orders stg_orders"),
        ("1+revenue", "", "orders revenue users"),
        ("stg_users+", "", "revenue stg_users users"),
        ("stg_users+1", "", "stg_users users"),
        ("0+users+0", "", "users"),
        ("1+users+1", "", "revenue stg_orders stg_users users"),
        ("@orders", "", "orders revenue stg_orders stg_users users"),
        ("@revenue", "", "orders revenue stg_orders stg_users users"),
        ("source:raw.users+", "", "revenue stg_users users"),
        ("+board", "", "orders revenue stg_orders stg_users users"),
        ("+exposure:board", "", "orders revenue stg_orders stg_users users"),
        ("+exposure:board,silver", "", "stg_orders stg_users"),
        ("countries+2", "", "stg_users users"),
        // Methods.
        ("tag:nightly", "", "revenue stg_orders"),
        ("tag:n*y", "", "revenue stg_orders"),
        ("layer:silver", "", "stg_orders stg_users"),
        ("path:models/gold", "", "orders revenue users"),
        ("models/gold/", "", "orders revenue users"),
        ("./models/gold/core/orders.sql", "", "orders"),
        ("models/go", "", none),
        ("models/**/core", "", "orders users"),
        ("models/*/*/*.sql", "", "orders revenue users"),
        ("models/gold/finance/schema.yml", "", "revenue"),
        ("orders.sql", "", "orders"),
        ("file:stg_*", "", "stg_orders stg_users"),
        ("package:this", "", "orders revenue stg_orders stg_users users"),
        ("package:l*", "", "calendar"),
        ("resource_type:model", "", "calendar orders revenue stg_orders stg_users users"),
        ("config.materialized:table", "", "revenue"),
        ("config.materialized:view,gold", "", "orders users"),
        ("config.transient:TRUE", "", "revenue"),
        ("config.meta.owner:ann", "", "revenue"),
        ("config.meta.level:3", "", "revenue"),
        ("config.meta.teams:b", "", "revenue"),
        ("config.meta:level", "", "revenue"),
        // As under dbt, a text is equal to no number of a list, though it is to a number.
        ("config.meta.levels:3", "", none),
        ("config.meta.level.deep:3", "", none),
        ("config.tags:hot", "", "stg_orders"),
        ("config.contract.enforced:false,silver", "", "stg_orders stg_users"),
        ("access:public", "", "revenue"),
        ("access:protected,silver", "", "stg_orders stg_users"),
        ("group:finance", "", "stg_orders"),
        ("version:none,silver", "", "stg_orders stg_users"),
        ("test_type:unit", "", none),
        // Problems.
        ("tga:nightly", "", "!bad-selector"),
        ("orders,,users tag:", "", "!bad-selector !bad-selector"),
        ("@orders+", "", "!bad-selector"),
        ("99999999999999999999999+orders", "", "!bad-selector"),
        ("state:modified+", "result:error", "!no-state !no-state"),
        (
            "resource_type:modle layer:platinum test_type:x version:y",
            "",
            "!bad-selector !bad-selector !bad-selector !bad-selector",
        ),
        (
            "config:x source:a.b.c.d exposure:a.b.c tag.x:y",
            "",
            "!bad-selector !bad-selector !bad-selector !bad-selector",
        ),
        ("selector:nowhere", "", "!bad-selector"),
        ("+", "", "!bad-selector"),
        (" ", "", "!nothing-selected"),
    ];
    let mut wrong = Vec::new();
    for (include, exclude, expected) in cases {
        let args = SelectArgs { select: words(include), exclude: words(exclude), ..SelectArgs::default() };
        let answer = ask(&shop, &args, &MODELS);
        if answer != expected {
            wrong.push(format!("`{include}` - `{exclude}`: {answer}; expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn select_takes_tests_along_by_mode() {
    let shop = shop();
    let cases = [
        ("orders", "", Eager, "orders_complete orders_have_users unique_orders_id"),
        ("orders", "", Cautious, "unique_orders_id"),
        ("orders", "", Buildable, "orders_complete unique_orders_id"),
        ("orders", "", Empty, "!nothing-selected"),
        ("", "", Empty, "not_null_stg_orders_id orders_complete orders_have_users revenue_adds_up unique_orders_id"),
        // The parents of a test may come from several criteria.
        ("orders users", "", Cautious, "orders_have_users unique_orders_id"),
        ("stg_orders orders", "", Cautious, "not_null_stg_orders_id orders_complete unique_orders_id"),
        (
            "users stg_orders+",
            "",
            Cautious,
            "not_null_stg_orders_id orders_complete orders_have_users revenue_adds_up unique_orders_id",
        ),
        ("gold,orders", "", Cautious, "unique_orders_id"),
        ("users", "", Buildable, "!nothing-selected"),
        // A test goes with any of its nodes that is excluded.
        ("gold", "users", Cautious, "revenue_adds_up unique_orders_id"),
        ("", "orders", Cautious, "not_null_stg_orders_id revenue_adds_up"),
        // Tests themselves.
        ("unique_orders_id", "", Empty, "unique_orders_id"),
        ("test_type:singular", "", Eager, "revenue_adds_up"),
        ("test_type:generic", "", Eager, "not_null_stg_orders_id orders_complete orders_have_users unique_orders_id"),
        ("test_type:data,test_name:un*", "", Eager, "unique_orders_id"),
        ("test_name:relationships,users", "", Eager, "orders_have_users"),
        ("config.severity:WARN", "", Eager, "unique_orders_id"),
        ("config.severity:error,test_name:not_null", "", Eager, "not_null_stg_orders_id"),
        ("source:raw", "", Eager, "!nothing-selected"),
    ];
    for (include, exclude, indirect, expected) in cases {
        let args = SelectArgs { select: words(include), exclude: words(exclude), indirect, ..SelectArgs::default() };
        assert_eq!(ask(&shop, &args, &[ResourceType::Test]), expected, "`{include}` - `{exclude}` {indirect:?}");
    }
}

#[test]
fn select_keeps_kinds_and_order() {
    let shop = shop();
    let (dag, _) = Dag::new(&shop);
    let kinds = |include: &str, only: &[ResourceType], without: &[ResourceType]| {
        let args = SelectArgs {
            models: words(include),
            resource_types: only.to_vec(),
            exclude_resource_types: without.to_vec(),
            indirect: Empty,
            ..SelectArgs::default()
        };
        ask(&shop, &args, &EVERYTHING)
    };
    assert_eq!(kinds("+stg_users", &[], &[]), "countries stg_users users");
    assert_eq!(kinds("+stg_users", &[ResourceType::Seed, ResourceType::Source], &[]), "countries users");
    assert_eq!(kinds("+stg_users", &[ResourceType::Seed], &[ResourceType::Seed]), "!nothing-selected");
    assert_eq!(kinds("source:*", &[], &[]), "events orders users");
    assert_eq!(kinds("source:shop.*.users source:we?", &[], &[]), "events users");
    assert_eq!(kinds("tag:pii resource_type:exposure", &[], &[]), "board users");
    let args = SelectArgs { select: words("revenue orders +users"), ..SelectArgs::default() };
    let (selection, _) = select(&shop, &dag, &args, &MODELS);
    let order: Vec<&str> = selection.iter().map(NodeId::as_str).collect();
    let expected = ["stg_orders", "orders", "stg_users", "users", "revenue"].map(|name| format!("model.shop.{name}"));
    assert_eq!(order, expected);
    let args = SelectArgs { select: words("source:raw"), ..SelectArgs::default() };
    let (_, diagnostics) = select(&shop, &dag, &args, &MODELS);
    assert_eq!(diagnostics.0[0].notes, ["the selection matches 2 of kind `source`, but this command works on `model`"]);
}

fn with_selectors(selectors: &Value) -> Manifest {
    let mut shop = shop();
    let text: Vec<String> = selectors.as_object().unwrap().keys().map(|name| format!("  - name: {name}\n")).collect();
    shop.selectors_file = Some(SourceFile::new("selectors.yml", format!("selectors:\n{}", text.concat())));
    shop.selectors = selectors.as_object().unwrap().iter().map(|(name, entry)| (name.clone(), entry.clone())).collect();
    shop
}

#[test]
fn select_reads_named_selectors() {
    let cases = [
        (json!("tag:nightly"), "revenue stg_orders"),
        (json!("stg_orders+1,gold users"), "orders users"),
        (json!({ "tag": "nightly" }), "revenue stg_orders"),
        (json!({ "config.meta.level": 3 }), "revenue"),
        (
            json!({ "method": "fqn", "value": "users", "parents": true, "parents_depth": 1 }),
            "stg_orders stg_users users",
        ),
        (json!({ "method": "fqn", "value": "stg_users", "children": true, "children_depth": "1" }), "stg_users users"),
        (
            json!({ "method": "tag", "value": "hot", "childrens_parents": true }),
            "orders revenue stg_orders stg_users users",
        ),
        (json!({ "method": "fqn", "value": "gold", "exclude": ["orders", { "tag": "nightly" }] }), "users"),
        (json!({ "union": ["orders", { "method": "tag", "value": "hot" }] }), "orders stg_orders"),
        (
            json!({ "union": ["gold", "silver", { "exclude": ["path:models/gold/core"] }] }),
            "revenue stg_orders stg_users",
        ),
        (json!({ "intersection": [{ "tag": "nightly" }, { "union": ["silver", "orders"] }] }), "stg_orders"),
        // By dbt's documentation the `exclude` of a member is taken from that member.
        (
            json!({ "union": [{ "method": "tag", "value": "hot", "exclude": ["stg_orders"] }, "gold"] }),
            "orders revenue users",
        ),
        (json!({ "intersection": [] }), "!nothing-selected"),
        (json!({ "method": "selector", "value": "base", "exclude": ["revenue"] }), "orders users"),
        (
            json!({ "method": "selector", "value": "base", "parents": true, "parents_depth": 1 }),
            "orders revenue stg_orders stg_users users",
        ),
        (json!({ "union": [{ "selector": "base" }, "calendar"] }), "calendar orders revenue users"),
        (json!({ "method": "selector", "value": "asked" }), "!bad-selector"),
        (json!({ "method": "selector", "value": "bsae" }), "!bad-selector"),
        (json!({ "method": "tag" }), "!bad-selector"),
        (json!({ "method": "tag", "value": "x", "childs": true, "parents": "yes" }), "!bad-selector !bad-selector"),
        (json!({ "method": "tag", "value": "x", "indirect_selection": "greedy" }), "!bad-selector"),
        (json!({ "union": "orders" }), "!bad-selector"),
        (json!({ "union": ["orders"], "intersection": [] }), "!bad-selector"),
        (json!({ "tags": "nightly" }), "!bad-selector"),
        (json!({ "tag": ["a"] }), "!bad-selector"),
        (json!({ "exclude": ["a"] }), "!bad-selector"),
        (json!(3), "!bad-selector"),
    ];
    for (definition, expected) in cases {
        let shop = with_selectors(&json!({
            "base": { "name": "base", "definition": { "fqn": "gold" } },
            "asked": { "name": "asked", "definition": definition },
        }));
        let args = SelectArgs { selector: Some("asked".into()), ..SelectArgs::default() };
        assert_eq!(ask(&shop, &args, &MODELS), expected, "{definition}");
        let args = SelectArgs { select: words("selector:asked"), ..SelectArgs::default() };
        assert!(ask(&shop, &args, &MODELS).ends_with(expected), "{definition}");
    }
    // A definition alone, the default selector, and modes of their own.
    let shop = with_selectors(&json!({
        "night": { "default": true, "definition": { "method": "fqn", "value": "orders", "indirect_selection": "cautious" } },
        "plain": { "union": ["orders", "users"] },
    }));
    let tests = [ResourceType::Test];
    assert_eq!(ask(&shop, &SelectArgs::default(), &tests), "unique_orders_id");
    let named = |name: &str, indirect| SelectArgs { selector: Some(name.into()), indirect, ..SelectArgs::default() };
    assert_eq!(ask(&shop, &named("plain", Cautious), &tests), "orders_have_users unique_orders_id");
    assert_eq!(ask(&shop, &named("night", Eager), &tests), "unique_orders_id");
    let args = SelectArgs { exclude: words("selector:night"), ..SelectArgs::default() };
    assert_eq!(ask(&shop, &args, &MODELS), "calendar revenue stg_orders stg_users users");
    let args = SelectArgs { exclude: words("orders"), ..named("night", Eager) };
    assert_eq!(ask(&shop, &args, &MODELS), "!bad-selector");
}

#[test]
fn select_says_what_is_wrong_and_where() {
    let mut shop =
        with_selectors(&json!({ "one": { "selector": "two" }, "two": { "union": ["a", { "selector": "one" }] } }));
    let mut disabled = shop.nodes.values().find(|node| node.name == "orders").unwrap().as_ref().clone();
    disabled.name = "old_orders".into();
    disabled.fqn = vec!["shop".into(), "old_orders".into()];
    shop.disabled.push(disabled.into());
    let cases = [
        ("orders tga:x", "--select:1:8: error[bad-selector]: unknown selector method: `tga`", "did you mean `tag`?"),
        (
            "resource-type:model",
            "--select:1:1: error[bad-selector]: unknown selector method: `resource-type`",
            "did you mean `resource_type`?",
        ),
        (
            "orders,stg_odrers",
            "--select:1:1: warning[no-match]: `orders,stg_odrers` matches no enabled node",
            "did you mean `stg_orders`?",
        ),
        ("é old_orders", "--select:1:1: warning[no-match]: `é` matches no enabled node", ""),
        (
            "old_orders",
            "--select:1:1: warning[no-match]: `old_orders` matches no enabled node",
            "`old_orders` is disabled (`models/gold/core/orders.sql`)",
        ),
        (
            "silver,tag:pii",
            "--select:1:1: warning[no-match]: `silver,tag:pii` matches no enabled node",
            "each part matches some nodes, but no node is in all parts",
        ),
        (
            "selector:one",
            "selectors.yml:3:3: error[bad-selector]: the selector `one` refers to itself: `one` -> `two` -> `one`",
            "in the selector `two`",
        ),
        (
            "state:new",
            "--select:1:1: error[no-state]: the selector method `state` compares with a state, but there is no `--state`",
            "`--state DIR`",
        ),
    ];
    let (dag, _) = Dag::new(&shop);
    for (text, line, more) in cases {
        let args = SelectArgs { select: words(text), ..SelectArgs::default() };
        let (_, diagnostics) = select(&shop, &dag, &args, &EVERYTHING);
        let diagnostic = &diagnostics.0[0];
        assert_eq!(diagnostic.to_string(), line);
        let rendered = diagnostic.render(false);
        assert!(rendered.contains(more), "{rendered}");
    }
}

#[test]
fn select_knows_versions() {
    let mut manifest = manifest(&["model gold/v1", "model gold/v2", "model gold/v3"]);
    for number in 1..=3 {
        let id = format!("model.shop.v{number}");
        configure(&mut manifest, &id, &json!({ "version": number, "latest_version": 2 }));
        let node = std::sync::Arc::make_mut(manifest.nodes.get_mut(&NodeId::new(id)).unwrap());
        node.fqn = vec!["shop".into(), "gold".into(), "dim".into(), format!("v{number}")];
    }
    let cases = [
        ("version:latest", "v2"),
        ("version:old", "v1"),
        ("version:prerelease", "v3"),
        ("dim", "v1 v2 v3"),
        ("dim.v2", "v2"),
        ("dim_v3", "v3"),
        ("gold.dim.v1", "v1"),
        ("gold.dim", "v1 v2 v3"),
    ];
    for (text, expected) in cases {
        let args = SelectArgs { select: words(text), ..SelectArgs::default() };
        assert_eq!(ask(&manifest, &args, &MODELS), expected, "{text}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = "[a-z+@:,. *\\[\\]!0-9]{0,12}|one|two|orders|selector|tag|fqn";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let key = "union|intersection|exclude|method|value|selector|parents|parents_depth|children|indirect_selection|tag|definition";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn select_survives_any_text(texts in prop::collection::vec("\\PC{0,24}|[a-z+@:,.*\\[\\]!0-9/ -]{0,24}", 0..3), exclude in "\\PC{0,12}|[+@:,*\\[\\]a-c]{0,12}") {
        let shop = shop();
        let (dag, _) = Dag::new(&shop);
        let args = SelectArgs { select: texts, exclude: words(&exclude), ..SelectArgs::default() };
        let (selection, diagnostics) = select(&shop, &dag, &args, &EVERYTHING);
        prop_assert!(selection.is_empty() || !diagnostics.has_errors());
        for diagnostic in &diagnostics.0 {
            diagnostic.render(false);
        }
    }

    #[test]
    fn select_survives_any_definition(one in json_value(), two in json_value()) {
        let shop = with_selectors(&json!({ "one": one, "two": two }));
        let (dag, _) = Dag::new(&shop);
        let args = SelectArgs { selector: Some("one".into()), ..SelectArgs::default() };
        let (selection, diagnostics) = select(&shop, &dag, &args, &EVERYTHING);
        prop_assert!(selection.is_empty() || !diagnostics.has_errors());
    }
}
