//! Errors name the user's file, line and column, and how the template got there.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::json;

use crate::base::source::{Location, SourceFile};
use crate::manifest::node::Code;
use crate::template::host::SharedHost;
use crate::template::tests::{TestHost, check_failures, failed, shown, templates};
use crate::template::{MacroFile, RenderError, Settings, Templates, extract_blocks};

#[test]
fn mistakes_are_placed() {
    check_failures(
        &[],
        &[
            (
                "select\n  {{ nope.x }}",
                "models/m.sql:2:6: error[jinja-undefined]: `nope` is undefined | hint: set it before, correct its spelling, or give a default with `| default(...)`",
            ),
            (
                "{{ target.nme.x }}",
                "models/m.sql:1:4: error[jinja-undefined]: `target.nme` is undefined | hint: set it before, correct its spelling, or give a default with `| default(...)`",
            ),
            (
                "{{ reff('a') }}",
                "models/m.sql:1:4: error[jinja-undefined]: `reff` is undefined | hint: did you mean `ref`?",
            ),
            (
                "{{ 1 + 'a' }}",
                "models/m.sql:1:4: error[jinja-error]: `+` does not work between int and str | hint: `~` joins values of any type as text",
            ),
            ("{{ 1 // 0 }}", "models/m.sql:1:4: error[jinja-error]: division by zero"),
            ("{{ [1].foo() }}", "models/m.sql:1:4: error[jinja-error]: `[1]` (a list) has no method `foo`"),
            (
                "{{ 'a' | uper }}",
                "models/m.sql:1:4: error[jinja-undefined]: there is no filter `uper` | hint: did you mean `upper`?",
            ),
            ("{{ 1 is good }}", "models/m.sql:1:4: error[jinja-undefined]: there is no test `good`"),
            ("{% set a, b = [1] %}", "models/m.sql:1:8: error[jinja-error]: cannot unpack a list of 1 into 2 names"),
            ("{% for x in 5 %}{% endfor %}", "models/m.sql:1:13: error[jinja-error]: cannot loop over `5` (an int)"),
            (
                "{% set x = {} %}{% set x.a = 1 %}",
                "models/m.sql:1:26: error[jinja-error]: cannot set the attribute `a` | hint: only attributes of a `namespace()` can be set; use `update()` for a dict",
            ),
            (
                "{% set l = [] %}{% do l.append(l) %}",
                "models/m.sql:1:23: error[jinja-error]: a list cannot hold itself",
            ),
            ("{{ return(1) }}", "error[jinja-error]: `return` stands outside of a macro"),
        ],
    );
}

#[test]
fn syntax_is_checked_before_anything_runs() {
    check_failures(
        &[],
        &[
            (
                "a\n{% if x %}\nb",
                "models/m.sql:2:1: error[jinja-syntax]: `{% if %}` is never closed | hint: add `{% endif %}`",
            ),
            (
                "{% for x in y %}{% endif %}",
                "models/m.sql:1:17: error[jinja-syntax]: `endif` cannot close `for`, expected `endfor` | models/m.sql:1:1 opened here",
            ),
            ("{% endif %}", "models/m.sql:1:1: error[jinja-syntax]: `{% endif %}` closes nothing"),
            (
                "{% iff x %}",
                "models/m.sql:1:4: error[jinja-syntax]: unknown statement `iff` | hint: did you mean `if`?",
            ),
            (
                "{% include 'x' %}",
                "models/m.sql:1:4: error[jinja-syntax]: `include` is not a part of the template language | hint: share code with macros, and models with `ref()`",
            ),
            ("{{ 'abc }}", "models/m.sql:1:11: error[jinja-syntax]: unexpected end of string"),
        ],
    );
    let long = format!("{{{{ {} }}}}", vec!["a"; 400].join(" ~ "));
    assert!(failed(&[], &long).contains("error[jinja-limit]: an expression has more than 300 operators in a row"));
}

#[test]
fn dbt_functions_explain_themselves() {
    check_failures(
        &[],
        &[
            (
                "{{ ref() }}",
                "models/m.sql:1:4: error[invalid-ref]: `ref` takes one or two names, 0 were given | hint: write `ref('model')` or `ref('package', 'model')`",
            ),
            (
                "{{ ref(5) }}",
                "models/m.sql:1:4: error[invalid-ref]: `ref` needs names, not an int | hint: write `ref('model')` or `ref('package', 'model')`",
            ),
            (
                "{{ source('a') }}",
                "models/m.sql:1:4: error[invalid-source]: `source` takes two names: that of the source and that of the table | hint: write `source('shop', 'orders')`",
            ),
            (
                "\n {{ ref('missing') }}",
                "models/m.sql:2:5: error[unknown-ref]: there is no model `missing` | hint: did you mean `mixing`?",
            ),
            (
                "{{ var('none') }}",
                "models/m.sql:1:4: error[missing-var]: the variable `none` is not set | hint: set it under `vars:` in the project file, with `--vars '{none: ...}'`, or give a default",
            ),
            (
                "{{ env_var('NOPE') }}",
                "models/m.sql:1:4: error[missing-env-var]: the environment variable `NOPE` is not set | hint: set it, or give a default: `env_var('NOPE', '...')`",
            ),
            (
                "{{ env_var('DBT_ENV_SECRET_KEY') }}",
                "models/m.sql:1:4: error[secret-misuse]: secrets are not for templates",
            ),
            ("{{ exceptions.raise_compiler_error('no ' ~ 1) }}", "models/m.sql:1:4: error[raised-by-macro]: no 1"),
            (
                "{{ adapter.dispach('x') }}",
                "models/m.sql:1:4: error[jinja-undefined]: `adapter` has no function `dispach` | hint: did you mean `dispatch`?",
            ),
            (
                "{{ config.require('x') }}",
                "models/m.sql:1:4: error[missing-config]: the configuration `x` is required and not set",
            ),
            ("{{ ref('later') }}", "error[not-ready]: the data of `later`"),
            ("{{ log() }}", "models/m.sql:1:4: error[jinja-error]: `log` needs its argument `msg`"),
            (
                "{{ log('a', inf=true) }}",
                "models/m.sql:1:4: error[jinja-error]: `log` has no argument `inf` | hint: did you mean `info`?",
            ),
        ],
    );
}

#[test]
fn the_way_through_macros_is_told() {
    let macros = [
        ("shop", "{% macro outer() %}\n  {{ inner(5) }}\n{% endmacro %}"),
        ("shop", "{% macro inner(n) %}{{ exceptions.raise_compiler_error('bad ' ~ n) }}{% endmacro %}"),
    ];
    check_failures(
        &macros,
        &[
            (
                "select\n {{ outer() }}",
                "macros/shop1.sql:1:24: error[raised-by-macro]: bad 5 | macros/shop0.sql:2:6 macro `inner` called here | models/m.sql:2:5 macro `outer` called here",
            ),
            (
                "{{ outer(1) }}",
                "models/m.sql:1:4: error[jinja-error]: macro `outer` takes at most 0 arguments, 1 were given",
            ),
            (
                "{{ inner(m=1) }}",
                "models/m.sql:1:4: error[jinja-error]: macro `inner` has no argument `m` | hint: did you mean `n`?",
            ),
            (
                "{{ shop.iner(1) }}",
                "models/m.sql:1:4: error[jinja-undefined]: package `shop` has no macro `iner` | hint: did you mean `inner`?",
            ),
            (
                "{% call outer() %}{% endcall %}",
                "models/m.sql:1:9: error[jinja-error]: macro `outer` cannot be used in a `call` block: it never calls `caller()`",
            ),
            // The failure is inside a built-in macro: the user's call of it is what is shown.
            (
                "a\n{{ get_quoted_csv(5) }}",
                "models/m.sql:2:4: error[jinja-error]: cannot loop over `column_names` (an int)",
            ),
        ],
    );
}

#[test]
fn a_part_of_a_file_keeps_the_files_positions() {
    let text = "{% snapshot s %}\nselect {{ nope.x }}\n{% endsnapshot %}\n";
    let file = SourceFile::new("snapshots/s.sql", text);
    let (blocks, diagnostics) = extract_blocks(&file);
    assert!(diagnostics.is_empty());
    let body = blocks[0].body.clone();
    let code = Code { text: text[body.clone()].into(), file, offset: Some(body.start) };
    let host: SharedHost = Arc::new(TestHost::default());
    let error = templates(&[]).render(&code, &host, &IndexMap::new()).unwrap_err();
    assert_eq!(
        shown(*error),
        "snapshots/s.sql:2:11: error[jinja-undefined]: `nope` is undefined | hint: set it before, correct its spelling, or give a default with `| default(...)`"
    );
}

#[test]
fn too_much_work_is_refused() {
    let fuel = "models/m.sql:1:1: error[jinja-limit]: the template does too much: it used up its fuel of 5000000 | hint: every step and every 64 bytes of text cost one; look for a loop over too many items";
    let recursion = "macros/shop0.sql:1:33: error[jinja-limit]: macro calls are nested deeper than 200 | macros/shop0.sql:1:33 macro `endless` called here | models/m.sql:1:4 macro `endless` called here | note: 198 more calls of macros are not shown | hint: does a macro call itself without an end?";
    let macros = [("shop", "{% macro endless(n) %}{{ n }}{{ endless(n + 1) }}{% endmacro %}")];
    for template in [
        "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
        "{% for a in range(100000000000) %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{{ 'x' * 10000000000 }}",
        "{{ [0] * 10000000000 }}",
    ] {
        let error = failed(&[], template);
        let (_, message) = error.split_once(": error").unwrap();
        assert_eq!(message, fuel.split_once(": error").unwrap().1, "{template}");
    }
    assert_eq!(failed(&macros, "{{ endless(0) }}"), recursion);
    // A list nested deeper than the stack is taken apart without recursion.
    let nested = "{% set ns = namespace(l=[]) %}{% for i in range(200000) %}{% set ns.l = [ns.l] %}{% endfor %}done";
    assert_eq!(failed(&[], nested), "OK done");
}

#[test]
fn macro_files_report_all_their_problems() {
    let file = |path: &str, text: &str| MacroFile { package: "shop".to_owned(), file: SourceFile::new(path, text) };
    let files = [
        file("macros/a.sql", "{% macro a() %}{% endmacro %}\n{% macro a() %}{% endmacro %}"),
        file("macros/b.sql", "{% macro b( %}{% endmacro %}"),
        file(
            "macros/c.sql",
            "{% materialization odd, default %}{% endmaterialization %}{% materialization seed, adapter='duckdb' %}{% endmaterialization %}",
        ),
        file("macros/d.sql", "{% macro fine() %}{% endmacro %}{% test custom(model) %}select 1{% endtest %}"),
    ];
    let (templates, diagnostics) = Templates::new("shop", &files, Settings::default());
    let found: Vec<String> = diagnostics.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "macros/a.sql:2:1: error[duplicate-macro]: the macro `a` is defined twice",
            "macros/b.sql:1:13: error[jinja-syntax]: unexpected `%`, expected identifier",
            "macros/c.sql:1:59: warning[unsupported-materialization]: the materialization `seed` is ignored",
        ]
    );
    assert_eq!(templates.materializations().into_iter().collect::<Vec<_>>(), ["odd"]);
    assert!(templates.has_generic_test(None, "custom") && templates.macros().contains_key("macro.shop.fine"));
    assert_eq!(templates.macros()["macro.shop.test_custom"].sql, "{% test custom(model) %}select 1{% endtest %}");
}

#[test]
fn yaml_texts_keep_their_types() {
    let text = "vars:\n  a: \"{{ var('keys') }}\"\n  b: '{{ nope.x }}'\n";
    let file = SourceFile::new("project.yml", text);
    let host: SharedHost = Arc::new(TestHost::default());
    let templates = templates(&[]);
    let place = |from: &str| {
        let start = text.find(from).unwrap();
        Location::new(&file, start..start + from.len())
    };
    let value = |template: &str, place: &Location| templates.render_value(template, place, &host).unwrap();
    let whole = Location::of_file(&file);
    assert_eq!(value("{{ var('keys') }}", &place("\"{{ var('keys') }}\"")), json!(["a", "b"]));
    assert_eq!(value("{{ 5 }}", &whole), json!(5));
    assert_eq!(value("{{ var('days') > 3 }}", &whole), json!(true));
    assert_eq!(value("x{{ 5 }}", &whole), json!("x5"));
    assert_eq!(value("plain", &whole), json!("plain"));
    let error = templates.render_value("{{ nope.x }}", &place("'{{ nope.x }}'"), &host).unwrap_err();
    assert_eq!(
        shown(*error),
        "project.yml:3:10: error[jinja-undefined]: `nope` is undefined | hint: set it before, correct its spelling, or give a default with `| default(...)`"
    );
    let error = templates.render_text("{{ ref('later') }}", &whole, &host).unwrap_err();
    assert!(matches!(*error, RenderError::NotReady(_)));
}

#[test]
fn blocks_are_found_in_files() {
    let docs = SourceFile::new(
        "models/docs.md",
        "# x\n{% docs a %}\nText {{ with }} {% odd\n{% enddocs %}\n{%- docs b -%}B{%- enddocs -%}{% docs open %}",
    );
    let (blocks, diagnostics) = extract_blocks(&docs);
    let found: Vec<(&str, &str)> =
        blocks.iter().map(|block| (block.name.as_str(), &docs.text[block.body.clone()])).collect();
    assert_eq!(found, [("a", "\nText {{ with }} {% odd\n"), ("b", "B")]);
    assert_eq!(diagnostics.0[0].message, "`{% docs %}` is never closed");
    let sql = SourceFile::new(
        "s.sql",
        "{# {% snapshot no %} #}{% snapshot yes %}{% if x %}{% endif %}{% endsnapshot %}{% test t(model, x=1) %}q{% endtest %}",
    );
    let (blocks, diagnostics) = extract_blocks(&sql);
    assert!(diagnostics.is_empty());
    let found: Vec<(&str, &str)> = blocks.iter().map(|block| (block.name.as_str(), block.header.as_str())).collect();
    assert_eq!(found, [("yes", ""), ("t", "(model, x=1)")]);
}
