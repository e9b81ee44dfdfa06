//! Macros of files: calls across files and packages, dispatch, `return()`.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::json;

use crate::template::host::SharedHost;
use crate::template::tests::{TestHost, check_with, render_with, rendered, templates};
use crate::template::{Argument, Settings, Templates};

#[test]
fn macros_call_each_other_and_return_anything() {
    let macros = [
        (
            "shop",
            "{% macro a(n) %}{{ b(n) }}{% endmacro %}{% macro deep(l) %}{% for x in l %}{% if x > 1 %}{% set y %}{{ return({'found': x}) }}{% endset %}{% endif %}{% endfor %}{% do return(none) %}{% endmacro %}",
        ),
        ("shop", "{% macro b(n) %}{{ n }}{% if n > 0 %}{{ a(n - 1) }}{% endif %}{% endmacro %}"),
        ("shop", "{% macro many(first, second='s') %}{{ first }}{{ second }}{{ varargs }}{{ kwargs }}{% endmacro %}"),
        (
            "shop",
            "{% macro list_of() %}{{ return([1, 2]) }}{% endmacro %}{% macro outer() %}{% for i in list_of() %}<{{ i }}>{% endfor %}{% endmacro %}",
        ),
        ("shop", "{% macro late(a, b=a ~ '!') %}{{ b }}{% endmacro %}{% macro isolated() %}{{ secret }}{% endmacro %}"),
        ("shop", "{% macro wrap(tag) %}<{{ tag }}>{{ caller() }}</{{ tag }}>{% endmacro %}"),
    ];
    check_with(
        &macros,
        &[
            ("{{ a(2) }}", "210"),
            ("{{ deep([1, 2, 3]).found + 1 }}{{ deep([0]) is none }}", "3True"),
            (
                "{{ many(1) }} {{ many(1, 2, 3, x=4) }} {{ many(second=2, first=1) }} {{ many(*[1, 2], **{'k': 5}) }}",
                "1s(){} 12(3,){'x': 4} 12(){} 12(){'k': 5}",
            ),
            ("{{ outer() }}{{ list_of()[1] }}", "<1><2>2"),
            ("{{ late('x') }}{% set secret = 1 %}[{{ isolated() }}]", "x![]"),
            ("{% call wrap('b') %}{% call wrap('i') %}x{% endcall %}{% endcall %}", "<b><i>x</i></b>"),
            ("{% set f = a %}{{ f(0) }}{{ shop.b(0) }}{{ context['b'](0) }}", "000"),
            ("{% set t = a(1) %}{{ t | upper }}{{ many.arguments }}", "10('first', 'second')"),
        ],
    );
}

#[test]
fn the_nearest_macro_is_found() {
    let macros = [
        (
            "utils",
            "{% macro pick() %}{{ return(adapter.dispatch('pick', 'utils')()) }}{% endmacro %}{% macro default__pick() %}utils{% endmacro %}{% macro own() %}{{ helper() }}{% endmacro %}{% macro helper() %}h{% endmacro %}",
        ),
        (
            "other",
            "{% macro default__pick() %}other{% endmacro %}{% macro karat__only() %}karat{% endmacro %}{% macro default__only() %}default{% endmacro %}",
        ),
    ];
    check_with(
        &macros,
        &[("{{ utils.pick() }}{{ utils.own() }}", "utilsh"), ("{{ adapter.dispatch('only', 'other')() }}", "karat")],
    );
    let mut overridden = macros.to_vec();
    overridden
        .push(("shop", "{% macro default__pick() %}shop{% endmacro %}{% macro helper() %}shop helper{% endmacro %}"));
    check_with(&overridden, &[("{{ utils.pick() }}", "shop"), ("{{ utils.own() }}", "shop helper")]);

    let files = overridden.iter().enumerate().map(|(index, (package, text))| crate::template::MacroFile {
        package: (*package).to_owned(),
        file: crate::base::source::SourceFile::new(format!("macros/{index}.sql"), *text),
    });
    let files: Vec<_> = files.collect();
    let mut settings = Settings::default();
    settings.dispatch.insert("utils".to_owned(), vec!["other".to_owned(), "utils".to_owned()]);
    let (templates, _) = Templates::new("shop", &files, settings);
    let host = Arc::new(TestHost::default());
    assert_eq!(render_with(&templates, &host, "{{ utils.pick() }}").unwrap().sql, "other");
    assert_eq!(templates.resolve_macro("utils", "helper"), Some("macro.utils.helper"));
    assert_eq!(templates.resolve_macro("other", "helper"), Some("macro.shop.helper"));
    assert_eq!(templates.resolve_macro("other", "run_query"), Some("macro.dbt.run_query"));
    assert_eq!(templates.resolve_macro("shop", "dbt.statement"), Some("macro.dbt.statement"));
}

#[test]
fn naming_macros_can_be_replaced() {
    let host: SharedHost = Arc::new(TestHost::default());
    let call = |templates: &Templates, name: &str, custom: serde_json::Value| {
        let node = json!({"name": "orders", "version": 2});
        let arguments = [Argument::Plain(custom), Argument::Plain(node)];
        templates.call_macro(None, name, &arguments, &IndexMap::new(), &host).unwrap().text
    };
    let plain = templates(&[]);
    assert_eq!(call(&plain, "generate_schema_name", json!(null)).trim(), "dbt_me");
    assert_eq!(call(&plain, "generate_schema_name", json!(" gold ")).trim(), "dbt_me_gold");
    assert_eq!(call(&plain, "generate_alias_name", json!(null)).trim(), "orders_v2");
    assert_eq!(call(&plain, "generate_database_name", json!(null)).trim(), "shop");
    let replaced = templates(&[(
        "shop",
        "{% macro generate_schema_name(custom, node) %}{{ custom }}_{{ node.name }}{% endmacro %}
         {% macro default__generate_alias_name(custom, node) %}x_{{ node.name }}{% endmacro %}",
    )]);
    assert_eq!(call(&replaced, "generate_schema_name", json!("gold")), "gold_orders");
    assert_eq!(call(&replaced, "generate_alias_name", json!(null)), "x_orders");
    let package = templates(&[("utils", "{% macro generate_schema_name(custom, node) %}no{% endmacro %}")]);
    assert_eq!(call(&package, "generate_schema_name", json!(null)).trim(), "dbt_me");
}

#[test]
fn called_macros_are_reported() {
    let templates = templates(&[
        (
            "shop",
            "{% macro a() %}{{ utils.b() }}{% endmacro %}{% macro unused() %}{{ run_query('select 1') }}{% endmacro %}",
        ),
        ("utils", "{% macro b() %}x{% endmacro %}"),
    ]);
    let host = Arc::new(TestHost::default());
    let found = render_with(&templates, &host, "{{ a() }}").unwrap();
    assert_eq!(found.macros.into_iter().collect::<Vec<_>>(), ["macro.shop.a", "macro.utils.b"]);
    assert!(!found.introspective);
    assert!(render_with(&templates, &host, "{% if false %}{{ unused() }}{% endif %}").unwrap().introspective);
    assert_eq!(templates.macros()["macro.utils.b"].sql, "{% macro b() %}x{% endmacro %}");
    assert_eq!(
        templates.macro_arguments("macro.dbt.test_relationships").unwrap(),
        ["model", "column_name", "to", "field"]
    );
    assert!(templates.has_generic_test(None, "no_negatives") && !templates.has_generic_test(None, "nope"));
}

#[test]
fn deep_recursion_ends_well() {
    let countdown = [(
        "shop",
        "{% macro down(n) %}{% if n > 0 %}{% for i in [1] %}{% if true %}{{ down(n - 1) }}{% endif %}{% endfor %}{% else %}end{% endif %}{% endmacro %}",
    )];
    assert_eq!(rendered(&countdown, "{{ down(190) }}"), "end");
}
