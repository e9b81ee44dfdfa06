//! The mistakes that people make, one by one, with all that is printed: code, sentence, file, line, column, excerpt,
//! hint, and where it is explained. After each of them the project and the warehouse are byte for byte what they were.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "makes files of any content, and links")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::errors::{alone, alone_in, shop};
use crate::support::Project;

/// All files and links of a project with their content, but for artifacts and logs.
pub fn tree(project: &Project) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_symlink() {
                files.insert(path.clone(), std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
            } else if metadata.is_dir() {
                walk(&path, files);
            } else if path.extension().is_none_or(|extension| extension != "lock") {
                files.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(&project.path(""), &mut files);
    let target = project.path("target");
    files.retain(|path, _| !path.starts_with(&target));
    files
}

/// All that a command prints that must be refused without a change.
#[track_caller]
pub fn refusal(project: &Project, arguments: &[&str]) -> String {
    let before = tree(project);
    let run = project.run(arguments).expect_code(2);
    assert_eq!(tree(project), before, "something was written");
    assert_eq!(run.stdout, "");
    for dump in ["panicked", "DataFusion", "Arrow error", "ParquetError", "Some(", "os error", "{ "] {
        let own = run.stderr.lines().filter(|line| !line.contains(" | ")).collect::<Vec<_>>().join("\n");
        assert!(!own.contains(dump), "`{dump}` is in\n{own}");
    }
    project.redacted(&run.stderr)
}

/// All that `build` prints of a project with these files, after the project without them was built.
#[track_caller]
fn whole(changes: &[(&str, &str)]) -> String {
    let project = shop(&[]);
    project.ok(&["build"]);
    for (path, text) in changes {
        project.write(path, text);
    }
    refusal(&project, &["build"])
}

fn with_bytes(path: &str, bytes: &[u8]) -> String {
    let project = shop(&[]);
    std::fs::create_dir_all(project.path(path).parent().unwrap()).unwrap();
    std::fs::write(project.path(path), bytes).unwrap();
    refusal(&project, &["build"])
}

#[test]
fn yaml_and_names() {
    assert_snapshot!(whole(&[("models/models.yml", "models:\n  - name: totals\n    colour: red\n")]), @r"
    error[unknown-key]: model `totals` has no key `colour`
     --> models/models.yml:3:5
      |
    3 |     colour: red
      |     ^^^^^^
      |
      = hint: known are `name`, `description`, `docs`, `group`, `contract`, `access`, `freshness`, `meta`, `tags`, `config`, `columns`, `data_tests`, `tests`, `latest_version`, `deprecation_date`, `constraints`, `versions`, `semantic_model`, `agg_time_dimension`, `primary_entity`, `metrics`, `derived_semantics`, `time_spine`, `quote_columns`

    To learn more: karat explain unknown-key
    ");
    assert_snapshot!(whole(&[("models/gold/totals.sql", "select 1 as a\nfrom {{ ref('orders') }}\n")]), @r"
    error[unknown-ref]: there is no model, seed or snapshot `orders`
     --> models/gold/totals.sql:2:9
      |
    2 | from {{ ref('orders') }}
      |         ^^^^^^^^^^^^^
      |
      = hint: `ref` takes the name of a model's, seed's or snapshot's file; `karat ls` lists them

    To learn more: karat explain unknown-ref
    ");
    assert_snapshot!(whole(&[("models/gold/stg_items.sql", "select 1 as a")]), @r"
    error[duplicate-node]: there are two models `stg_items`
     --> models/silver/stg_items.sql:1:1
      |
    1 | select
      | ^ again here
      |
     ::: models/gold/stg_items.sql:1:1
      |
    1 | select 1 as a
      | - first here
      |
      = note: they are in `models/gold/stg_items.sql` and `models/silver/stg_items.sql`
      = hint: rename one of the files; with `alias` the relation can keep its name

    To learn more: karat explain duplicate-node
    ");
    assert_snapshot!(whole(&[
        ("models/bronze/raw_items.sql", "select t.*, 1 as x\nfrom {{ ref('totals') }} as t\n"),
    ]), @r"
    error[cycle]: these nodes depend on each other in a circle: `raw_items` -> `totals` -> `stg_items` -> `raw_items`
     --> models/bronze/raw_items.sql:2:9
      |
    2 | from {{ ref('totals') }} as t
      |         ^^^^^^^^^^^^^ `raw_items` depends on `totals`
      |
     ::: models/gold/totals.sql:2:9
      |
    2 | from {{ ref('stg_items') }}
      |         ---------------- `totals` depends on `stg_items`
      |
     ::: models/silver/stg_items.sql:5:9
      |
    5 | from {{ ref('raw_items') }}
      |         ---------------- `stg_items` depends on `raw_items`
      |
      = hint: remove one of these references, for example by moving the shared part to a model of its own

    To learn more: karat explain cycle
    ");
    assert_snapshot!(whole(&[("models/models.yml", "models:\n  - name: totals\n    description: 'never closed\n")]), @r"
    error[bad-yaml]: this is not YAML: unclosed quote
     --> models/models.yml:3:18
      |
    3 |     description: 'never closed
      |                  ^
      |
      = hint: look at this line and the one above: the indentation, a blank behind `:`, quotes and brackets

    To learn more: karat explain bad-yaml
    ");
    assert_snapshot!(whole(&[("models/models.yml", "models:\n\t- name: totals\n")]), @r"
    error[bad-yaml]: this is not YAML: tabs disallowed within this context (block indentation)
     --> models/models.yml:2:2
      |
    2 |     - name: totals
      |     ^
      |
      = hint: indent with blanks; YAML does not allow tabs

    To learn more: karat explain bad-yaml
    ");
    assert_snapshot!(whole(&[("project.yml", "name: shop\nversion: 1\nname: store\n")]), @r"
    error[duplicate-yaml-key]: the key `name` occurs twice in one mapping
     --> project.yml:3:1
      |
    1 | name: shop
      | ---- first here
    2 | version: 1
    3 | name: store
      | ^^^^ again here
      |
      = hint: remove one of the two, or join their values

    To learn more: karat explain duplicate-yaml-key
    ");
}

#[test]
fn templates() {
    assert_snapshot!(alone(&[("models/gold/totals.sql", "{% set shop = {} %}\nselect '{{ shop.owner.name }}' as a\n")]), @r"
    error[jinja-undefined]: `shop.owner` is undefined
     --> models/gold/totals.sql:2:12
      |
    2 | select '{{ shop.owner.name }}' as a
      |            ^^^^^^^^^^
      |
      = hint: set it before, correct its spelling, or give a default with `| default(...)`
    ");
    assert_snapshot!(whole(&[("models/gold/totals.sql", "select 1 as a\n{% for x in [1] %}\n")]), @r"
    error[jinja-syntax]: `{% for %}` is never closed
     --> models/gold/totals.sql:2:1
      |
    2 | {% for x in [1] %}
      | ^^^^^^^^^^^^^^^^^^ opened here
      |
      = hint: add `{% endfor %}`

    To learn more: karat explain jinja-syntax
    ");
    assert_snapshot!(whole(&[
        ("macros/again.sql", "{% macro one() %}\n  {{ two() }}\n{% endmacro %}\n{% macro two() %}\n  {{ one() }}\n{% endmacro %}\n"),
        ("models/gold/totals.sql", "select {{ one() }} as a\n"),
    ]), @r"
    error[jinja-limit]: macro calls are nested deeper than 200
     --> macros/again.sql:5:6
      |
    2 |   {{ two() }}
      |      ----- macro `two` called here
    ...
    5 |   {{ one() }}
      |      ^^^^^
      |      |
      |      macro `one` called here
      |
     ::: models/gold/totals.sql:1:11
      |
    1 | select {{ one() }} as a
      |           ----- macro `one` called here
      |
      = note: 197 more calls of macros are not shown
      = hint: does a macro call itself without an end?

    To learn more: karat explain jinja-limit
    ");
    assert_snapshot!(whole(&[(
        "models/gold/totals.sql",
        "{% for x in range(100000) %}{% for y in range(100000) %}{{ x }}{% endfor %}{% endfor %}\nselect 1 as a\n"
    )]), @r"
    error[jinja-limit]: the template does too much: it used up its fuel of 5000000
     --> models/gold/totals.sql:1:60
      |
    1 | {% for x in range(100000) %}{% for y in range(100000) %}{{ x }}{% endfor %}{% endfor %}
      |                                                            ^
      |
      = hint: every step and every 64 bytes of text cost one; look for a loop over too many items

    To learn more: karat explain jinja-limit
    ");
    assert_snapshot!(whole(&[(
        "models/gold/totals.sql",
        "{% set n = namespace(text='x') %}\n{% for x in range(100) %}{% set n.text = n.text ~ n.text %}{% endfor %}\nselect 1 as a\n"
    )]), @r"
    error[jinja-limit]: the template does too much: it used up its fuel of 5000000
     --> models/gold/totals.sql:2:42
      |
    2 | {% for x in range(100) %}{% set n.text = n.text ~ n.text %}{% endfor %}
      |                                          ^^^^^^^^^^^^^^^
      |
      = hint: every step and every 64 bytes of text cost one; look for a loop over too many items

    To learn more: karat explain jinja-limit
    ");
}

#[test]
fn sql() {
    assert_snapshot!(whole(&[("models/gold/totals.sql", "select price,\nfrom {{ ref('stg_items') }}\nwhere price >\n")]), @r"
    error[sql-syntax]: expected an expression, found the end of the SQL
     --> compiled/models/gold/totals.sql:3:14
      |
    3 | where price >
      |              ^ in the compiled SQL
      |
      = hint: look at this place and just before it: a comma, quote or bracket too many or missing, or a keyword used as a name

    To learn more: karat explain sql-syntax
    ");
    assert_snapshot!(whole(&[("models/gold/totals.sql", "select prize\nfrom {{ ref('stg_items') }}\n")]), @r"
    error[unknown-column]: column `prize` does not exist
     --> models/gold/totals.sql:1:8
      |
    1 | select prize
      |        ^^^^^
      |
      = hint: did you mean `price`?

    To learn more: karat explain unknown-column
    ");
    assert_snapshot!(whole(&[
        ("macros/cents.sql", "{% macro cents(column) %}\n  {{ column }} * 100\n{% endmacro %}\n"),
        ("models/gold/totals.sql", "select\n  {{ cents('cost') }} as cents\nfrom {{ ref('stg_items') }}\n"),
    ]), @r"
    error[unknown-column]: column `cost` does not exist
     --> macros/cents.sql:2:6
      |
    2 |   {{ column }} * 100
      |      ^^^^^^
      |
     ::: models/gold/totals.sql:2:6
      |
    2 |   {{ cents('cost') }} as cents
      |      ------------- macro `cents` called here
      |
      = hint: columns here: `id`, `name`, `price`

    To learn more: karat explain unknown-column
    ");
    assert_snapshot!(whole(&[(
        "models/gold/totals.sql",
        "select name\nfrom {{ ref('stg_items') }} as a\njoin {{ ref('raw_items') }} as b on a.id = b.id\n"
    )]), @r"
    error[ambiguous-column]: column `name` is in more than one relation
     --> models/gold/totals.sql:1:8
      |
    1 | select name
      |        ^^^^
      |
      = hint: write the relation's name or alias before it

    To learn more: karat explain ambiguous-column
    ");
    assert_snapshot!(whole(&[("models/gold/totals.sql", "drop table {{ ref('stg_items') }}\n")]), @r"
    error[not-a-query]: expected a query, found `drop`
     --> models/gold/totals.sql:1:1
      |
    1 | drop table {{ ref('stg_items') }}
      | ^^^^
      |
      = hint: model SQL is one `select` (or `with ... select`); karat itself creates and fills the table

    To learn more: karat explain not-a-query
    ");
    let sum = whole(&[("models/gold/totals.sql", &format!("select {} as a\n", vec!["1"; 20_000].join("+")))]);
    // The excerpt is a line of 40 kB.
    let short: Vec<String> = sum.lines().map(|line| line.chars().take(160).collect()).collect();
    assert_snapshot!(short.join("\n"), @r"
    error[sql-limit]: an expression chains more than 1000 operators
     --> models/gold/totals.sql:1:2009
      |
    1 | ...+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1...
      |                                                                    ^
      |
      = hint: split the expression: a list as `in (...)`, a sum over rows, or a join with a seed

    To learn more: karat explain sql-limit
    ");
}

const MERGED: &str = "{{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}\n";

#[test]
fn tables_that_do_not_fit_their_queries() {
    let after = |first: &str, second: &str| {
        let project = shop(&[("models/gold/totals.sql", first)]);
        project.ok(&["build"]);
        project.write("models/gold/totals.sql", second);
        refusal(&project, &["build"])
    };
    let query = "select id, price from {{ ref('stg_items') }}\n";
    let text = "select id, [price] as price from {{ ref('stg_items') }}\n";
    assert_snapshot!(after(&format!("{MERGED}{query}"), &format!("{MERGED}{text}")), @r"
    error[type-mismatch]: column `price` of `totals` is decimal(10,2) in its table and decimal(10,2)[] in its query, which cannot become decimal(10,2)
     --> models/gold/totals.sql:1:1
      |
    1 | {{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}
      | ^
      |
      = hint: cast it in the query, set `on_schema_change: sync_all_columns`, or run with `--full-refresh`

    To learn more: karat explain type-mismatch
    ");
    let fails = MERGED.replace("'id')", "'id', on_schema_change='fail')");
    assert_snapshot!(after(&format!("{fails}{query}"), &format!("{fails}select id, name from {{{{ ref('stg_items') }}}}\n")), @r"
    error[schema-change]: the columns of `totals` have changed and `on_schema_change` is `fail`
     --> models/gold/totals.sql:1:1
      |
    1 | {{ config(materialized='incremental', incremental_strategy='merge', unique_key='id', on_schema_change='fail') }}
      | ^
      |
      = note: new in the query: `name`
      = note: gone from the query: `price`
      = hint: run with `--full-refresh` to rebuild the table with the new columns

    To learn more: karat explain schema-change
    ");
}

#[test]
fn data_files() {
    let project = shop(&[]);
    project.remove("landing/items.csv");
    assert_snapshot!(refusal(&project, &["build"]), @r"
    error[source-no-files]: no file matches `landing/*.csv`
     --> models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | ^
      |
      = hint: set `missing_files: warn` or `empty` if the files may come later

    To learn more: karat explain source-no-files
    ");
    let landing = |text: &str| whole(&[("landing/items.csv", text)]);
    assert_snapshot!(landing("id,name,price\n1,a,1.00\n2,\"b,2.00\n3,c,3.00\n"), @r#"
    error[source-syntax]: landing/items.csv:3: a quote that begins here is never closed
     --> landing/items.csv:3:1
      |
    3 | 2,"b,2.00
      | ^^^^^^^^^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: correct the file at this line, or the `quote` and `escape` of the source

    To learn more: karat explain source-syntax
    "#);
    assert_snapshot!(landing("id,name,price\n1,a,1.00\n2,b\n"), @r"
    error[source-ragged-row]: landing/items.csv:3: found 2 fields, expected 3
     --> landing/items.csv:3:1
      |
    3 | 2,b
      | ^^^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: check the delimiter and the quotes of this record

    To learn more: karat explain source-ragged-row
    ");
    assert_snapshot!(landing("id,name,price\n1,ä ö ü,1.00,more\n"), @r"
    error[source-ragged-row]: landing/items.csv:2: found 4 fields, expected 3
     --> landing/items.csv:2:1
      |
    2 | 1,ä ö ü,1.00,more
      | ^^^^^^^^^^^^^^^^^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: check the delimiter and the quotes of this record

    To learn more: karat explain source-ragged-row
    ");
    assert_snapshot!(landing(""), @r"
    error[source-empty-file]: `landing/items.csv` is empty: expected at least a header line
     --> landing/items.csv:1:1
      |
    1 |
      | ^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: a data file begins with a header; the option `allow_empty: true` of a source skips empty files

    To learn more: karat explain source-empty-file
    ");
    assert_snapshot!(with_bytes("landing/items.csv", b"id,name,price\n1,a,1.00\n2,caf\xe9,2.00\n"), @r"
    error[source-encoding]: landing/items.csv:3: not UTF-8 text: byte 0xe9 in column `name`
     --> landing/items.csv:3:6
      |
    3 | 2,caf�,2.00
      |      ^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: convert the file to UTF-8

    To learn more: karat explain source-encoding
    ");
    assert_snapshot!(alone(&[("seeds/codes.csv", "code,name\n1,a\n2\n")]), @r"
    error[source-ragged-row]: seeds/codes.csv:3: found 1 field, expected 2
     --> seeds/codes.csv:3:1
      |
    3 | 2
      | ^
      |
      = hint: check the delimiter and the quotes of this record
    ");
    assert_snapshot!(alone(&[("seeds/codes.csv", "code,name\n1,\"a\n2,b\n")]), @r#"
    error[source-syntax]: seeds/codes.csv:2: a quote that begins here is never closed
     --> seeds/codes.csv:2:1
      |
    2 | 1,"a
      | ^^^^
      |
      = hint: correct the file at this line, or the `quote` and `escape` of the source
    "#);
    let project = shop(&[]);
    std::fs::create_dir_all(project.path("seeds")).unwrap();
    std::fs::write(project.path("seeds/codes.csv"), b"code,name\n1,M\xfcller\n").unwrap();
    assert_snapshot!(alone_in(&project), @r"
    error[source-encoding]: seeds/codes.csv:2: not UTF-8 text: byte 0xfc in column `name`
     --> seeds/codes.csv:2:4
      |
    2 | 1,M�ller
      |    ^
      |
      = hint: convert the file to UTF-8
    ");
    assert_snapshot!(alone(&[("seeds/codes.csv", "")]), @r"
    error[source-empty-file]: `seeds/codes.csv` is empty: expected at least a header line
     --> seeds/codes.csv:1:1
      |
    1 |
      | ^
      |
      = hint: a data file begins with a header; the option `allow_empty: true` of a source skips empty files
    ");
    assert_snapshot!(with_bytes("models/gold/more.sql", b"select 'M\xfcller' as name\n"), @r"
    error[unreadable-file]: `models/gold/more.sql` is not UTF-8 text: the byte 0xfc is not valid
     --> models/gold/more.sql:1:10
      |
    1 | select 'M�ller' as name
      |          ^
      |
      = hint: save the file as UTF-8

    To learn more: karat explain unreadable-file
    ");
    assert_snapshot!(with_bytes("landing/more.csv", b"id,name,price\r\n3,x\r\n"), @r"
    error[source-ragged-row]: landing/more.csv:2: found 2 fields, expected 3
     --> landing/more.csv:2:1
      |
    2 | 3,x
      | ^^^
      |
     ::: models/bronze/raw_items.sql:1:1
      |
    1 | select id, name, price
      | - read here
      |
      = hint: check the delimiter and the quotes of this record

    To learn more: karat explain source-ragged-row
    ");
}

#[test]
fn ways_out_of_the_project() {
    assert_snapshot!(whole(&[("project.yml", "name: shop\nmodel-paths: [models, ../others]\n")]), @r"
    error[path-outside-project]: the path `../others` leaves the project
     --> project.yml:2:23
      |
    2 | model-paths: [models, ../others]
      |                       ^^^^^^^^^
      |
      = hint: paths of a project are relative to its folder, without `..`

    To learn more: karat explain path-outside-project
    ");
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.sql"), "select 'secret' as a").unwrap();
    #[cfg(unix)]
    {
        let project = shop(&[]);
        std::os::unix::fs::symlink(outside.path().join("secret.sql"), project.path("models/gold/secret.sql")).unwrap();
        std::os::unix::fs::symlink(outside.path(), project.path("models/others")).unwrap();
        std::os::unix::fs::symlink("nowhere.sql", project.path("models/gold/nothing.sql")).unwrap();
        assert_snapshot!(refusal(&project, &["build"]), @r"
        error[path-outside-project]: `models/gold/secret.sql` is a link that leads out of the project
         |
         = hint: a project reads only its own folder: put the files themselves in the place of the link
        error[path-outside-project]: `models/others` is a link that leads out of the project
         |
         = hint: a project reads only its own folder: put the files themselves in the place of the link
        error[unreadable-file]: cannot read `models/gold/nothing.sql`: No such file or directory
         |
         = hint: check the path, its owner and its rights

        To learn more: karat explain path-outside-project unreadable-file
        ");
    }
}

#[test]
fn command_lines() {
    let project = shop(&[]);
    assert_snapshot!(refusal(&project, &["build", "--select", "colour:red"]), @r"
    error[bad-selector]: unknown selector method: `colour`
     --> --select:1:1
      |
    1 | colour:red
      | ^^^^^^^^^^
      |
      = note: known are `access`, `config`, `exposure`, `file`, `fqn`, `group`, `layer`, `metric`, `package`, `path`, `resource_type`, `result`, `saved_query`, `selector`, `semantic_model`, `source`, `source_status`, `state`, `tag`, `test_name`, `test_type`, `unit_test`, `version`
      = hint: criteria are written such as `name`, `tag:nightly`, `path:models/gold` or `+name+`

    To learn more: karat explain bad-selector
    ");
    assert_snapshot!(refusal(&project, &["build", "--vars", "{start: "]), @r"
    error[bad-yaml]: this is not YAML: unclosed bracket '{'
     --> --vars:1:1
      |
    1 | {start:
      | ^
      |
      = hint: look at this line and the one above: the indentation, a blank behind `:`, quotes and brackets

    To learn more: karat explain bad-yaml
    ");
    assert_snapshot!(refusal(&project, &["build", "--vars", "start"]), @r"
    error[invalid-argument]: `start` is not a value of `--vars`: expected a YAML mapping such as `{name: value}`
     |
     = hint: write it as `--vars '{name: value}'`

    To learn more: karat explain invalid-argument
    ");
}

/// Ten mistakes of all kinds: all ten in one run.
#[test]
fn ten_mistakes_at_once() {
    let project = shop(&[
        ("models/models.yml", "models:\n  - name: totals\n    descripton: x\n"),
        ("models/more.yml", "models:\n  - name: stg_items\n    columns: [{name: id, data_tests: [uniqe]}]\n"),
        ("models/twice.yml", "models:\n  - name: raw_items\n    description: a\n    description: b\n"),
        ("models/broken.yml", "models: [\n"),
        ("models/gold/a.sql", "select * from {{ ref('stg_itens') }}\n"),
        ("models/gold/b.sql", "select * from {{ source('landing', 'itmes') }}\n"),
        ("models/gold/c.sql", "{% if true %}select 1 as a\n"),
        ("models/gold/d.sql", "select {{ x.y.z }} as a\n"),
        ("models/gold/e.sql", "{{ config(materialized='tabel') }}\nselect 1 as a\n"),
        ("models/gold/f.sql", "select * from {{ ref('g') }}\n"),
        ("models/gold/g.sql", "select * from {{ ref('f') }}\n"),
        ("models/silver/totals.sql", "select 1 as a\n"),
    ]);
    let said = refusal(&project, &["build"]);
    let heads: String = said.lines().filter(|line| line.starts_with("error[")).fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{line}");
        all
    });
    assert_snapshot!(heads, @r"
    error[bad-yaml]: this is not YAML: unclosed bracket '['
    error[unknown-key]: model `totals` has no key `descripton`
    error[duplicate-yaml-key]: the key `description` occurs twice in one mapping
    error[jinja-syntax]: `{% if %}` is never closed
    error[duplicate-node]: there are two models `totals`
    error[unknown-ref]: there is no model, seed or snapshot `stg_itens`
    error[unknown-source]: the source `landing` has no table `itmes`
    error[bad-value]: `materialized` can't be `tabel`
    error[unknown-test]: there is no generic test `uniqe`
    error[cycle]: these nodes depend on each other in a circle: `f` -> `g` -> `f`
    ");
    assert!(heads.lines().count() >= 10, "{heads}");
    // And ten that only planning finds.
    let project = shop(&[
        ("models/gold/a.sql", "select nothing from {{ ref('stg_items') }}\n"),
        ("models/gold/b.sql", "select nofunction(id) as a from {{ ref('stg_items') }}\n"),
        ("models/gold/c.sql", "select id from {{ ref('stg_items') }} a, {{ ref('stg_items') }} b\n"),
        ("models/gold/d.sql", "select id from {{ ref('stg_items') }} group by name\n"),
        ("models/gold/e.sql", "selec id from {{ ref('stg_items') }}\n"),
        ("models/gold/f.sql", "drop table x\n"),
        ("models/gold/g.sql", "select name + 1 as a from {{ ref('stg_items') }}\n"),
        ("models/gold/h.sql", "select 1 as a, 2 as a\n"),
        ("models/gold/i.sql", "select abs(name) as a from {{ ref('stg_items') }}\n"),
        ("seeds/codes.csv", "a,b\n1\n"),
    ]);
    let said = refusal(&project, &["build"]);
    let heads: Vec<&str> = said.lines().filter(|line| line.starts_with("error[")).collect();
    assert_snapshot!(heads.join("\n"), @r"
    error[source-ragged-row]: seeds/codes.csv:2: found 1 field, expected 2
    error[not-a-query]: expected a query, found `drop`
    error[duplicate-column]: two columns of the query have the name `a`
    error[unknown-column]: column `nothing` does not exist
    error[unknown-function]: there is no function `nofunction`
    error[ambiguous-column]: column `id` is in more than one relation
    error[not-grouped]: column `id` is neither in `group by` nor inside an aggregate function
    error[sql-syntax]: expected an SQL statement, found `selec`
    error[type-mismatch]: there is no `+` of varchar and bigint
    error[argument-types]: function `abs` cannot take (varchar)
    ");
    assert_eq!(heads.len(), 10, "{said}");
}

/// What `compile` makes of a template is shown even where it is no good SQL, and that is said.
#[test]
fn compile_plans_what_it_has_made() {
    let project = shop(&[("models/gold/totals.sql", "select prize\nfrom {{ ref('stg_items') }}\n")]);
    let run = project.run(&["compile", "--select", "totals"]).expect_code(2);
    assert_eq!(run.stdout.trim(), "select prize\nfrom \"shop\".\"silver\".\"stg_items\"");
    assert_snapshot!(project.complaints(&run), @r"
    error[unknown-column]: column `prize` does not exist
     --> models/gold/totals.sql:1:8
      |
    1 | select prize
      |        ^^^^^
      |
      = hint: did you mean `price`?
    ");
    assert!(project.files().is_empty());
    // A mistake in what it is made from counts; what needs data that is not there does not.
    let project = shop(&[("models/silver/stg_items.sql", "select id, prize as price from {{ ref('raw_items') }}\n")]);
    project.run(&["compile", "--select", "totals"]).expect_code(2).expect_message(&["column `prize` does not exist"]);
    let project = shop(&[]);
    project.remove("landing/items.csv");
    project.ok(&["compile"]);
    project.ok(&["compile", "--select", "totals"]);
}

/// What is used twice is planned twice, so a chain of uses doubles at each step.
#[test]
fn growth_without_measure() {
    let chain = |steps: usize, step: &dyn Fn(usize) -> String| {
        let mut sql = String::from("with c0 as (select 1 as a)");
        for at in 1..steps {
            let _ = write!(sql, ",\nc{at} as ({})", step(at - 1));
        }
        format!("{sql}\nselect * from c{}\n", steps - 1)
    };
    let joined = |of: usize| format!("select x.a from c{of} as x join c{of} as y on x.a = y.a");
    let nested = |of: usize| format!("select (select max(a) from c{of}) + (select min(a) from c{of}) as a");
    let ten = |of: usize| vec![format!("select a from c{of}"); 10].join(" union all ");
    let started = std::time::Instant::now();
    let text = |step: &dyn Fn(usize) -> String| {
        let project = shop(&[("models/gold/totals.sql", &chain(60, step))]);
        refusal(&project, &["build"])
    };
    assert_snapshot!(text(&joined), @r"
    error[sql-limit]: the query reads relations 576460752303423488 times, more than the limit of 5000, because what it reads is used over and over
     --> models/gold/totals.sql:1:1
      |
    1 | with c0 as (select 1 as a),
      | ^
      |
      = hint: store what is used many times: as a model of its own with `materialized: table`, not as a `with`, a view or an ephemeral model

    To learn more: karat explain sql-limit
    ");
    for step in [&nested as &dyn Fn(usize) -> String, &ten] {
        let said = text(step);
        assert!(said.starts_with("error[sql-limit]: the query reads relations "), "{said}");
    }
    // The same through models that are not stored.
    for kind in ["ephemeral", "view"] {
        let models: Vec<(String, String)> = (0..40)
            .map(|at| {
                let query = match at {
                    0 => "select 1 as a".to_owned(),
                    _ => format!(
                        "select x.a from {{{{ ref('m{0}') }}}} as x join {{{{ ref('m{0}') }}}} as y on x.a = y.a",
                        at - 1
                    ),
                };
                (format!("models/gold/m{at}.sql"), format!("{{{{ config(materialized='{kind}') }}}}\n{query}\n"))
            })
            .collect();
        let mut files: Vec<(&str, &str)> = models.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.push(("models/gold/top.sql", "{{ config(materialized='table') }}\nselect a from {{ ref('m39') }}\n"));
        let project = Project::new(&files);
        let run = project.run(&["build"]);
        assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
        assert!(run.stderr.contains("error[sql-limit]: "), "{}", run.stderr);
    }
    let limit = std::time::Duration::from_mins(1);
    assert!(started.elapsed() < limit, "took {:?}", started.elapsed());
    // What people write is far from it.
    let project = shop(&[("models/gold/totals.sql", &chain(9, &joined))]);
    project.ok(&["build"]);
}
