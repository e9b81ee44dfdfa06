//! The way back from rendered SQL to the templates.

use std::fmt::Write;
use std::sync::Arc;

use crate::template::tests::{TestHost, render_with, templates};

/// For each piece of the output: the place that it comes from, and the calls that led there.
fn places(macros: &[(&str, &str)], text: &str, pieces: &[&str]) -> Vec<String> {
    let rendered = render_with(&templates(macros), &Arc::new(TestHost::default()), text).unwrap();
    let find = |piece: &&str| {
        let start = rendered.sql.find(*piece).unwrap();
        let place = rendered.map.locate(start..start + piece.len()).unwrap();
        let source = &place.location.file.text[place.location.range.clone()];
        let start = place.location.start();
        let mut shown = format!("{}:{}:{} {source}", place.location.file.path, start.line, start.column);
        for call in place.calls {
            let start = call.location.start();
            let _ = write!(shown, " < {}:{}:{}", call.location.file.path, start.line, start.column);
        }
        shown
    };
    pieces.iter().map(find).collect()
}

#[test]
fn text_and_expressions() {
    let text = "select amuont, {{ 1 + 1 }}\nfrom {{ ref('orders') }} where {{ 'x' }} = typo";
    assert_eq!(
        places(&[], text, &["amuont", "2", "\"gold\"", "typo"]),
        [
            "models/m.sql:1:8 amuont",
            "models/m.sql:1:19 1 + 1",
            "models/m.sql:2:9 ref('orders')",
            "models/m.sql:2:44 typo",
        ]
    );
}

#[test]
fn text_of_macros_is_found_in_the_macro() {
    let macros = [
        ("shop", "{% macro cents(column) %}\n  round({{ column }} * 100, 0){% endmacro %}"),
        (
            "shop",
            "{% macro twice(column) %}{{ cents(column) }} + {{ cents(column) }}{% endmacro %}{% macro given() %}{% set sql %}select mistake{% endset %}{{ return(sql) }}{% endmacro %}",
        ),
    ];
    let text = "select\n  {{ twice('price') }},\n  {{ given() | trim }}";
    assert_eq!(
        places(&macros, text, &["round", "price", " + ", "mistake"]),
        [
            "macros/shop0.sql:2:3 round < macros/shop1.sql:1:29 < models/m.sql:2:6",
            "macros/shop0.sql:2:12 column < macros/shop1.sql:1:29 < models/m.sql:2:6",
            "macros/shop1.sql:1:45  +  < models/m.sql:2:6",
            "macros/shop1.sql:1:120 mistake < models/m.sql:3:6",
        ]
    );
}

#[test]
fn text_of_built_in_macros_is_found_at_their_call() {
    let text = "a\n{{ test_unique(ref('orders'), 'id') }}";
    assert_eq!(
        places(&[], text, &["having", "\"orders\""]),
        ["models/m.sql:2:4 test_unique(ref('orders'), 'id')", "models/m.sql:2:4 test_unique(ref('orders'), 'id')",]
    );
}

#[test]
fn kept_texts_and_call_blocks_keep_their_places() {
    let macros = [("shop", "{% macro wrap() %}({{ caller() }}){% endmacro %}")];
    let text = "{% set part %}select wrong_one{% endset %}\nwith x as ({{ part }}) {% call wrap() %}inner_text{% endcall %} {{ part | upper }}";
    assert_eq!(
        places(&macros, text, &["wrong_one", "inner_text", "WRONG_ONE"]),
        [
            "models/m.sql:1:22 wrong_one",
            "models/m.sql:2:41 inner_text < macros/shop0.sql:1:23 < models/m.sql:2:32",
            "models/m.sql:2:68 part | upper",
        ]
    );
}

#[test]
fn moved_maps_still_fit() {
    let rendered = render_with(&templates(&[]), &Arc::new(TestHost::default()), "  select wrong").unwrap();
    let moved = rendered.map.shifted(2, 10);
    let place = moved.locate(17..22).unwrap();
    assert_eq!(&place.location.file.text[place.location.range], "wrong");
}
