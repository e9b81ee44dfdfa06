//! What must not bring karat down, and what it says instead: little memory, signals, panics, SQL that is too large or
//! is no query, a full disk, a warehouse that cannot be written.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "waits for processes and looks at folders")]

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Project, Run};

const TABLE: &str = "{{ config(materialized='table') }}\n";

fn table(sql: &str) -> String {
    format!("{TABLE}{sql}\n")
}

/// Whether the slow variants run, too.
fn slow() -> bool {
    std::env::var_os("KARAT_SLOW").is_some()
}

/// A project with one table model.
fn project_of(sql: &str) -> Project {
    Project::new(&[("models/m.sql", &table(sql))])
}

/// What `run` says of a model that must be refused; never a crash.
#[track_caller]
fn said(sql: &str, code: i32) -> String {
    let project = project_of(sql);
    let run = project.run(&["run"]).expect_code(code);
    project.complaints(&run)
}

/// The code, the message, the line and the hint of the first complaint, in one line.
#[track_caller]
fn short(sql: &str, code: i32) -> String {
    let said = said(sql, code);
    let place = said.lines().find_map(|line| line.trim().strip_prefix("--> ")).unwrap_or("nowhere");
    let hint = said.lines().find_map(|line| line.trim().strip_prefix("= hint: ")).unwrap_or("none");
    format!("{} @ {place} ? {hint}", said.lines().next().unwrap_or_default())
}

// ---------------------------------------------------------------------------------------------------------------------
// Memory

/// Tables that need more memory than they get.
fn hungry(rows: u64) -> Vec<(&'static str, String)> {
    let all = |text: &str| text.replace("ROWS", &rows.to_string());
    vec![
        (
            "models/big.sql",
            table(&all(
                "select value as id, md5(cast(value as varchar)) as h, value % 100 as g from generate_series(1, ROWS)",
            )),
        ),
        ("models/sorted.sql", table("select * from {{ ref('big') }} order by h")),
        ("models/grouped.sql", table("select h, count(*) as n, max(id) as last from {{ ref('big') }} group by h")),
        (
            "models/joined.sql",
            table("select a.id, b.h from {{ ref('big') }} as a join {{ ref('big') }} as b on a.h = b.h"),
        ),
        (
            "models/windowed.sql",
            table("select id, row_number() over (partition by g order by h) as r from {{ ref('big') }}"),
        ),
        (
            "models/counted.sql",
            // Two different ones, so that the engine does not turn them into one grouping.
            table(
                "select id % 10000 as g, count(distinct h) as n, count(distinct substr(h, 1, 2)) as m \
                 from {{ ref('big') }} group by 1",
            ),
        ),
        ("models/small.sql", table("select 1 as one")),
        ("models/reader.sql", table("select count(*) as n from {{ ref('joined') }}")),
    ]
}

/// Runs a command that must succeed, and gives its largest resident set in bytes.
#[cfg(unix)]
fn peak(project: &Project, arguments: &[&str]) -> u64 {
    use wait4::Wait4 as _;
    let mut command = project.command(arguments);
    let used = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap().wait4().unwrap();
    assert!(used.status.success(), "{}", project.read("target/logs/karat.log"));
    used.rusage.maxrss
}

#[cfg(unix)]
#[test]
fn queries_that_need_more_memory_than_there_is_spill_to_disk() {
    let rows = if slow() { 3_000_000 } else { 300_000 };
    let files = hungry(rows);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let project = Project::new(&files);
    // A hash join of so many rows does not fit, and cannot spill: the second try takes another one.
    let (limit, bytes) = if slow() { ("128MiB", 128 << 20) } else { ("32MiB", 32 << 20) };
    let peak = peak(&project, &["run", "--memory", limit]);
    // What the reference says of `memory_limit`.
    assert!(peak <= bytes + (300 << 20), "{peak} bytes");
    assert_eq!(project.rows("select n from main.reader"), [rows.to_string()]);
    assert_eq!(
        project.rows("select count(*) as g, sum(n) as n, sum(m) as m from main.counted"),
        project.rows(
            "select (select count(*) from (select distinct id % 10000 from main.big)) as g, \
             (select count(*) from (select distinct id % 10000, h from main.big)) as n, \
             (select count(*) from (select distinct id % 10000, substr(h, 1, 2) from main.big)) as m"
        )
    );
    assert_eq!(
        project.rows("select count(*) as n, count(distinct h) as m from main.sorted"),
        [format!("{rows}|{rows}")]
    );
    assert!(project.files_below("target/spill").is_empty(), "spilled files are left");
}

#[test]
fn what_does_not_fit_at_all_fails_alone() {
    let project = Project::new(&[
        (
            "models/big.sql",
            &table("select value as id, md5(cast(value as varchar)) as h from generate_series(1, 100000)"),
        ),
        // Keeping the first rows of an order is the one kind of sort that does not spill.
        ("models/first.sql", &table("select * from {{ ref('big') }} order by h limit 90000")),
        ("models/reader.sql", &table("select count(*) as n from {{ ref('first') }}")),
        ("models/small.sql", &table("select 1 as one")),
    ]);
    let run = project.run(&["run", "--memory", "2MiB", "--threads", "1"]).expect_code(1);
    let complaints = project.complaints(&run);
    for part in [
        "error[out-of-memory]: the query needs more memory than queries may have (1024.0 KB, half of the limit): sorting with a limit has ",
        "models/first.sql:1:1",
        "note: most memory of all that runs: sorting with a limit (",
        "hint: raise the limit with `--memory`",
    ] {
        assert!(complaints.contains(part), "`{part}` is not in\n{complaints}");
    }
    let statuses = format!("{:?}", project.statuses());
    assert_eq!(statuses, r#"{"big": "success", "first": "error", "reader": "skipped", "small": "success"}"#);
    assert_eq!(project.rows("select one from main.small"), ["1"]);
    assert!(project.files_below("target/spill").is_empty(), "spilled files are left");
    project.ok(&["run"]);
}

// ---------------------------------------------------------------------------------------------------------------------
// Signals

/// Sends a signal to a run that is at work, and gives what became of it and how long that took.
#[cfg(unix)]
fn stopped_by(signal: &str, project: &Project, arguments: &[&str], at_work: &str) -> (Run, Duration) {
    let mut child = project.start(arguments);
    let begun = Instant::now();
    // The log tells that the first model is done, so the others are at work.
    let log = project.path("target/logs/karat.log");
    let mut at = false;
    while !at && begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(100));
        at = std::fs::read_to_string(&log).is_ok_and(|log| log.contains(at_work));
    }
    if !at {
        child.kill().unwrap();
    }
    assert!(at, "the run did not get going");
    let sent = Instant::now();
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (Run::of(output), sent.elapsed())
}

/// A model that works for a very long time: without memory, and with few moments at which it could be stopped.
const ENDLESS: &str = "select count(*) as n from generate_series(1, 3000000) as a(x) \
                       join generate_series(1, 3000000) as b(y) on a.x * b.y % 7 > 8";

#[test]
#[cfg(unix)]
fn signals_stop_a_run_in_time_and_without_a_trace() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let project = Project::new(&[
            ("models/quick.sql", &table("select value as id from generate_series(1, 1000)")),
            ("models/endless.sql", &table(ENDLESS)),
            (
                "models/endless_sort.sql",
                &table("select value, md5(cast(value as varchar)) as h from generate_series(1, 200000000) order by h"),
            ),
        ]);
        project.ok(&["run", "--select", "quick"]);
        let before = project.files();
        project.write("models/quick.sql", &table("select value + 1 as id from generate_series(1, 1000)"));
        std::fs::remove_dir_all(project.path("target")).unwrap();
        let (run, took) =
            stopped_by(signal, &project, &["run", "--threads", "3"], "SUCCESS sql table model main.quick");
        assert!(took < Duration::from_secs(5), "{signal}: took {took:?}");
        let run = run.expect_code(code);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        assert_eq!(project.commits("main/quick"), [0], "{signal}: something was published");
        let published: Vec<_> = before.iter().collect();
        let after = project.files();
        assert!(
            published.iter().all(|(path, hash)| after.get(*path) == Some(hash)),
            "{signal}: a published file changed"
        );
        // The next run works.
        project.ok(&["run", "--select", "quick"]);
        assert_eq!(project.rows("select min(id) as id from main.quick"), ["2"]);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Panics

/// A mistake of the engine that ends in a panic where arithmetic is checked, as it is in the builds that tests use.
const PANICS: &str = "select array_position(make_array(1), 1, i) as a from (select -9223372036854775808 as i) as t";

#[test]
#[cfg(debug_assertions)]
fn a_panic_is_the_failure_of_one_node() {
    let project = Project::new(&[
        ("models/broken.sql", &table(PANICS)),
        ("models/reader.sql", &table("select * from {{ ref('broken') }}")),
        ("models/small.sql", &table("select 1 as one")),
    ]);
    let run = project.run(&["run"]).expect_code(1);
    let complaints = project.complaints(&run);
    let told = "error[internal-error]: a bug in karat or its engine stopped `main.broken`\n --> models/broken.sql:1:1";
    assert!(complaints.contains(told), "{complaints}");
    // The panic itself belongs in the log.
    assert!(!run.stderr.contains("panicked at") && !run.stderr.contains("RUST_BACKTRACE"), "{}", run.stderr);
    assert!(project.read("target/logs/karat.log").contains("subtract with overflow"));
    let statuses = format!("{:?}", project.statuses());
    assert_eq!(statuses, r#"{"broken": "error", "reader": "skipped", "small": "success"}"#);
    assert_eq!(project.rows("select one from main.small"), ["1"]);
    let shown = project.run(&["show", "--inline", PANICS]).expect_code(101).expect_message(&["error[internal-error]"]);
    assert!(!shown.stderr.contains("panicked at"), "{}", shown.stderr);
}

// ---------------------------------------------------------------------------------------------------------------------
// The guard

/// SQL that is too large in some way, all refused before the planner sees it.
#[test]
fn sql_without_measure_is_refused() {
    let joined = |count: usize, word: &str, separator: &str| vec![word; count].join(separator);
    let nested = |count: usize, open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    let cases = [
        ("sum", format!("select {} as a", joined(20_000, "1", "+"))),
        ("or", format!("select 1 as a where {}", joined(20_000, "1 = 2", " or "))),
        ("and", format!("select 1 as a where {}", joined(20_000, "1 = 1", " and "))),
        ("between", format!("select {} as a", joined(5_000, "1 between 0 and 2", " and "))),
        ("not", format!("select {}true as a", "not ".repeat(50_000))),
        ("minus", format!("select {}1 as a", "- ".repeat(50_000))),
        ("is null", format!("select 1 {}as a", "is null ".repeat(50_000))),
        ("cast", format!("select 1{} as a", "::bigint".repeat(50_000))),
        ("element", format!("select x{} as a from (select [1] as x) as t", "[1]".repeat(50_000))),
        ("array type", format!("select cast(null as bigint{}) as a", "[]".repeat(50_000))),
        ("time zone", format!("select now() {}as a", "at time zone 'UTC' ".repeat(50_000))),
        ("dots", format!("select a{} as a", ".b".repeat(50_000))),
        ("shift", format!("select 1 {}as a", "<< 1 ".repeat(50_000))),
        ("arrow", format!("select x {}as a from (select '{{}}' as x) as t", "-> 'a' ".repeat(50_000))),
        ("xor", format!("select 1 {}as a", "xor 1 ".repeat(50_000))),
        ("text", format!("select {} as a", joined(20_000, "'a'", " || "))),
        ("brackets", format!("select {} as a", nested(10_000, "(", "1", ")"))),
        ("functions", format!("select {} as a", nested(10_000, "abs(", "1", ")"))),
        ("case", format!("select {} as a", nested(3_000, "case when true then ", "1", " end"))),
        ("lists", format!("select {} as a", nested(10_000, "[", "1", "]"))),
        ("subqueries", nested(5_000, "select * from (", "select 1 as a", ")")),
        ("exists", format!("select 1 as a where {}", nested(5_000, "exists (select 1 where ", "true", ")"))),
        ("unions", joined(3_000, "select 1 as a, 2 as b", " union all ")),
        ("excepts", joined(3_000, "select 1 as a, 2 as b", " except ")),
        ("joins", format!("select 1 as a from t {}", "cross join t ".repeat(3_000))),
        ("commas", format!("select 1 as a from {}", joined(3_000, "t", ", "))),
        ("bytes", format!("select '{}' as a", "x".repeat(5 << 20))),
        ("tokens", format!("select {} as a", joined(600_000, "1", ","))),
    ];
    // All in one project: every model is refused, and each problem is told.
    let models: Vec<(String, String)> =
        cases.iter().map(|(name, sql)| (format!("models/{}.sql", name.replace(' ', "_")), table(sql))).collect();
    let files: Vec<(&str, &str)> = models.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let project = Project::new(&files);
    // A file of that size is refused when it is read, before everything else.
    let run = project.run(&["run"]).expect_code(2);
    let complaints = project.complaints(&run);
    for (name, _) in &cases {
        let path = format!("models/{}.sql", name.replace(' ', "_"));
        let block = complaints.split("error[").find(|block| block.contains(&path));
        assert!(block.is_some_and(|block| block.starts_with("sql-limit]")), "{name}: {block:?}\n{complaints}");
    }
}

/// Large SQL that people do write.
#[test]
fn honest_large_sql_is_run() {
    let numbers = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    let wide: String = numbers(500).iter().fold(String::from("select x"), |mut sql, number| {
        let _ = write!(sql, ",\n    case\n        when x > {number} then coalesce(x, 0) * {number} + 1\n        else null\n    end as c{number}");
        sql
    });
    let cases = [
        format!("select x from (values (1), (60000)) as t(x) where x in ({})", numbers(50_000).join(", ")),
        format!("{wide}\nfrom (values (1), (2)) as t(x)"),
        format!(
            "select x from (values (1)) as t(x) where {}",
            numbers(300).iter().map(|n| format!("x = {n} and x < 5")).collect::<Vec<_>>().join(" or ")
        ),
        format!("select {}1{} as a", "(".repeat(100), ")".repeat(100)),
        format!("select * from {}select 1 as a{}", "(select * from (".repeat(20), ")) ".repeat(20)),
        format!(
            "with c0 as (select 1 as a) {} select * from c60",
            (1..=60).map(|n| format!(", c{n} as (select * from c{})", n - 1)).collect::<Vec<_>>().concat()
        ),
        numbers(100).iter().map(|n| format!("select {n} as a, 'x' as b")).collect::<Vec<_>>().join("\nunion all\n"),
    ];
    let models: Vec<(String, String)> =
        cases.iter().enumerate().map(|(at, sql)| (format!("models/m{at}.sql"), table(sql))).collect();
    let files: Vec<(&str, &str)> = models.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert!(cases[1].lines().count() > 2_000);
    let project = Project::new(&files);
    project.ok(&["run"]);
    assert_eq!(project.rows("select count(*) as n from main.m0"), ["1"]);
    assert_eq!(project.rows("select c0 from main.m1 order by x"), ["1", "1"]);
}

#[test]
fn only_queries_are_run() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("copied.csv");
    let copy = format!("copy (select 1 as a) to '{}'", target.display());
    for sql in [
        "drop table x",
        "create table x as select 1 as a",
        "create external table x stored as csv location '/etc/passwd'",
        "insert into x values (1)",
        "with x as (select 1 as a) insert into y select * from x",
        "with x as (delete from y returning *) select * from x",
        "update x set a = 1",
        "delete from x",
        "truncate table x",
        "set datafusion.execution.batch_size = 1",
        "explain select 1 as a",
        "show tables",
        "describe x",
        "begin",
        "prepare p as select 1 as a",
        "select 1 as a into x",
        "select 1 as a; drop table x",
        copy.as_str(),
    ] {
        let said = short(sql, 2);
        assert!(
            said.starts_with("error[not-a-query]: expected ") && said.contains(" @ models/m.sql:"),
            "{sql}: {said}"
        );
    }
    assert!(!target.exists());
    for (sql, code) in [
        ("select * from '/etc/passwd'", "unknown-relation"),
        ("select * from \"/etc/passwd\"", "unknown-relation"),
        ("select * from 'file:///etc/passwd'", "unknown-relation"),
        ("select * from read_csv('/etc/passwd')", "unknown-function"),
        ("select * from read_parquet('x.parquet')", "unknown-function"),
        ("select * from parquet_metadata('x.parquet')", "unknown-function"),
    ] {
        let said = short(sql, 2);
        assert!(
            said.starts_with(&format!("error[{code}]")) && said.contains("files are read through a source"),
            "{sql}: {said}"
        );
    }
    let project = Project::empty();
    project.write("project.yml", "name: shop\nversion: '1.0'\n");
    project.write("tests/evil.sql", "drop table x\n");
    project.run(&["test"]).expect_code(2).expect_message(&["error[not-a-query]", "tests/evil.sql:1:1"]);
    project.remove("tests/evil.sql");
    for sql in ["drop table x", "select 1 as a; select 2 as a"] {
        let run = project.run(&["show", "--inline", sql]).expect_message(&["error[not-a-query]"]);
        assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
    }
    for sql in
        ["select * from generate_series(0, 2)", "select * from range(0, 3)", "select * from unnest([1, 2, 3]) as t(x)"]
    {
        assert_eq!(project.rows(sql).len(), 3, "{sql}");
    }
}

#[test]
fn characters_of_any_width_have_a_place() {
    assert!(
        said("select 'ä' as a, 🎉", 2)
            .contains("error[sql-syntax]: expected an expression, found `🎉`\n --> models/m.sql:2:18")
    );
    assert!(
        said("select '日本語' as a, 名前 as b", 2).contains("column `名前` does not exist\n --> models/m.sql:2:20")
    );
}

// ---------------------------------------------------------------------------------------------------------------------
// What the engine's errors become

const INPUT: &str =
    "{{ config(materialized='table') }}\nselect * from (values (1, 'x', 1.5), (2, 'y', 2.5)) as t(id, name, price)\n";

/// Each case in a model of its own, all in one run.
fn complaints_of(cases: &[(&str, &str)], code: i32) -> Vec<String> {
    let models: Vec<(String, String)> =
        cases.iter().enumerate().map(|(at, (sql, _))| (format!("models/m{at:02}.sql"), table(sql))).collect();
    let mut files: Vec<(&str, &str)> = models.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("models/a.sql", INPUT));
    let project = Project::new(&files);
    if code == 1 {
        project.ok(&["run", "--select", "a"]);
    }
    let run = project.run(&["run"]).expect_code(code);
    let complaints = project.complaints(&run);
    for dump in ["Span(", "Exec", "Expr", "{ ", "Some(", "Utf8", "Int64", "Float64", "Error", "  \n"] {
        let template = complaints.lines().filter(|line| !line.contains(" | ")).collect::<Vec<_>>().join("\n");
        assert!(!template.contains(dump), "`{dump}` is in\n{template}");
    }
    let blocks: Vec<&str> = complaints.split("\nerror[").collect();
    let of = |at: usize| {
        let path = format!("models/m{at:02}.sql:");
        let block = blocks
            .iter()
            .find(|block| block.contains(&path))
            .unwrap_or_else(|| panic!("{at}: no complaint\n{}\n{complaints}", cases[at].0));
        let place = block.lines().find_map(|line| line.trim().strip_prefix("--> ")).unwrap();
        let hint = block.lines().find_map(|line| line.trim().strip_prefix("= hint: ")).unwrap_or("none");
        let head = block.lines().next().unwrap().trim_start_matches("error[").replacen("]: ", ": ", 1);
        format!("{head} @{} ? {hint}", place.split_once(':').unwrap().1)
    };
    (0..cases.len()).map(of).collect()
}

#[track_caller]
fn compare(cases: &[(&str, &str)], code: i32) {
    let complaints = complaints_of(cases, code);
    let expected: String =
        cases.iter().map(|(sql, expected)| format!("{sql}\n    {expected}\n")).collect::<Vec<_>>().concat();
    let found: String = cases
        .iter()
        .zip(&complaints)
        .map(|((sql, _), found)| format!("{sql}\n    {found}\n"))
        .collect::<Vec<_>>()
        .concat();
    assert!(expected == found, "--- expected\n{expected}\n--- found\n{found}");
}

#[test]
fn mistakes_that_planning_finds() {
    compare(
        &[
            (
                "select a.nmae from {{ ref('a') }} as a",
                "unknown-column: column `a.nmae` does not exist @2:8 ? did you mean `name`?",
            ),
            (
                "with x as (select id, nam from {{ ref('a') }}) select * from x",
                "unknown-column: column `nam` does not exist @2:23 ? did you mean `name`?",
            ),
            (
                "select 1 as x from {{ ref('a') }} as a join {{ ref('a') }} as b on a.id = b.idd",
                "unknown-column: column `b.idd` does not exist @2:75 ? did you mean `id`?",
            ),
            (
                "select id from {{ ref('a') }} where id in (select idx from {{ ref('a') }})",
                "unknown-column: column `idx` does not exist @2:51 ? did you mean `id`?",
            ),
            (
                "select c.id from {{ ref('a') }} as a",
                "unknown-column: column `c.id` does not exist @2:8 ? did you mean `id`?",
            ),
            (
                "select id from {{ ref('a') }} as a join {{ ref('a') }} as b on a.id = b.id",
                "ambiguous-column: column `id` is in more than one relation @2:8 ? write the relation's name or alias before it",
            ),
            (
                "select id from {{ ref('a') }} order by nope",
                "unknown-column: column `nope` does not exist @2:40 ? did you mean `name`?",
            ),
            (
                "select uper(name) as n from {{ ref('a') }}",
                "unknown-function: there is no function `uper` @2:8 ? did you mean `upper`?",
            ),
            (
                "select frobnicate(name) as n from {{ ref('a') }}",
                "unknown-function: there is no function `frobnicate` @2:8 ? none",
            ),
            (
                "select abs(name) as n from {{ ref('a') }}",
                "argument-types: function `abs` cannot take (varchar) @2:8 ? check the number of arguments, or cast them to types that the function takes",
            ),
            (
                "select sum(name) as n from {{ ref('a') }}",
                "argument-types: function `sum` cannot take (varchar) @2:8 ? check the number of arguments, or cast them to types that the function takes",
            ),
            (
                "select max() as n from {{ ref('a') }}",
                "argument-types: function `max` cannot be called without arguments @2:8 ? check the number of arguments, or cast them to types that the function takes",
            ),
            (
                "select name + 1 as n from {{ ref('a') }}",
                "type-mismatch: there is no `+` of varchar and bigint @2:8 ? cast one of them to the type of the other",
            ),
            (
                "select id from {{ ref('a') }} where current_date > true",
                "type-mismatch: there is no `>` of date and boolean @1:1 ? cast one of them to the type of the other",
            ),
            (
                "select id, name from {{ ref('a') }} union all select true, current_date",
                "type-mismatch: column `id` of the union is bigint here and boolean there @2:8 ? cast the column to the same type in each part",
            ),
            (
                "select id, name from {{ ref('a') }} union all select id from {{ ref('a') }}",
                "sql-error: UNION queries have different number of columns @2:1 ? none",
            ),
            (
                "select name, sum(price) as p from {{ ref('a') }}",
                "not-grouped: column `name` is neither in `group by` nor inside an aggregate function @2:8 ? add `name` to `group by`, or use an aggregate such as `max(name)`",
            ),
            (
                "select 1 as x, 2 as x",
                "duplicate-column: two columns of the query have the name `x` @1:1 ? give each expression its own name with `as`",
            ),
            (
                "select a.id, b.id as id from {{ ref('a') }} as a join {{ ref('a') }} as b on a.id = b.id",
                "unstorable-type: `main.m18`: the column names `id` and `id` are the same @1:1 ? none",
            ),
            (
                "select row_number() as r from {{ ref('a') }}",
                "misplaced-window: the window function `row_number` needs `over (...)` @2:8 ? none",
            ),
            (
                "select id from {{ ref('a') }} where sum(price) > 1",
                "sql-error: aggregate functions are not allowed in the WHERE clause @1:1 ? none",
            ),
            (
                "select sum(sum(price)) as n from {{ ref('a') }}",
                "sql-error: aggregate function calls cannot be nested: `sum(a.price)` is nested inside `sum(sum(a.price))` @2:16 ? compute `sum(a.price)` in an inner query and aggregate its result",
            ),
            (
                "select id from {{ ref('a') }} having price > 1",
                "sql-error: HAVING clause references: a.price > 1 must appear in the GROUP BY clause or be used in an aggregate function @1:1 ? none",
            ),
            (
                "select (select id, name from {{ ref('a') }}) as x",
                "sql-error: too many columns! The subquery should only return one column: a.id, a.name @1:1 ? select only one column in the subquery",
            ),
            ("select * from gold.nothere", "unknown-relation: relation `gold.nothere` does not exist @2:15 ? none"),
            (
                "select * from aa",
                "unknown-relation: relation `main.aa` does not exist @2:15 ? did you mean `a`? models are read through `ref()`, sources through `source()`",
            ),
            (
                "select cast(id as blob9) as x from {{ ref('a') }}",
                "unsupported-sql: unsupported SQL type blob9 @1:1 ? none",
            ),
            (
                "select (id from {{ ref('a') }}",
                "sql-syntax: expected `)`, found `from` @2:12 ? look at this place and just before it: a comma, quote or bracket too many or missing, or a keyword used as a name",
            ),
            (
                "select substr(name) as n from {{ ref('a') }}",
                "sql-error: substring without for/from is not valid @1:1 ? none",
            ),
        ],
        2,
    );
}

#[test]
fn mistakes_that_running_finds() {
    compare(
        &[
            (
                "select 10 / (id - 1) as x from {{ ref('a') }}",
                "division-by-zero: division by zero @1:1 ? use `nullif(divisor, 0)`",
            ),
            (
                "select cast(name as int) as x from {{ ref('a') }}",
                "bad-value: `x` is not a valid integer @1:1 ? use `try_cast` to read such values as null, or mend them before",
            ),
            (
                "select cast(name as date) as x from {{ ref('a') }}",
                "bad-value: `x` is not a valid date @1:1 ? use `try_cast` to read such values as null, or mend them before",
            ),
            (
                "select cast(name as timestamp) as x from {{ ref('a') }}",
                "bad-value: error parsing timestamp from `x`: timestamp must contain at least 10 characters @1:1 ? use `try_cast` to read such values as null, or mend them before",
            ),
            (
                "select cast(price * 1000000 as decimal(4, 2)) as x from {{ ref('a') }}",
                "bad-value: 1500000.00 is too large to store in a decimal of precision 4 @1:1 ? use `try_cast` to read such values as null, or mend them before",
            ),
            (
                "select cast(id * 300 as tinyint) as x from {{ ref('a') }}",
                "bad-value: can't cast value 300 to type tinyint @1:1 ? use `try_cast` to read such values as null, or mend them before",
            ),
            (
                "select (select id from {{ ref('a') }}) as x",
                "too-many-rows: scalar subquery returned more than one row @1:1 ? aggregate in the subquery, or add `limit 1`",
            ),
            (
                "select id from {{ ref('a') }} where name = id",
                "bad-value: `x` is not a valid bigint @1:1 ? use `try_cast` to read such values as null, or mend them before",
            ),
            (
                "select id from {{ ref('a') }} where row_number() over (order by id) = 1",
                "misplaced-window: a window function stands where none is allowed @1:1 ? filter on it with `qualify`, or in an outer query",
            ),
            (
                "select regexp_replace(name, '(', 'x') as x from {{ ref('a') }}",
                "sql-error: regex parse error @1:1 ? none",
            ),
            (
                "select sqrt(-1 * id) as x from {{ ref('a') }}",
                "sql-error: cannot take square root of a negative number @1:1 ? none",
            ),
            (
                "select make_date(2024, 13 * id, 1) as x from {{ ref('a') }}",
                "sql-error: month value `13` is out of range @1:1 ? none",
            ),
        ],
        1,
    );
}

#[test]
fn a_bad_value_of_a_file_is_told_with_its_line() {
    let project = Project::new(&[
        (
            "models/sources.yml",
            "sources:\n  - name: landing\n    tables:\n      - name: items\n        external: {location: 'landing/*.csv'}\n        \
             columns:\n          - {name: id, data_type: bigint}\n",
        ),
        ("landing/a.csv", "id\n1\n2\n"),
        ("landing/b.csv", "id\n3\nfour\n"),
        ("models/m.sql", &table("select id from {{ source('landing', 'items') }}")),
    ]);
    let run = project.run(&["run"]).expect_code(1);
    let complaints = project.complaints(&run);
    assert!(
        complaints.contains("error[source-value]: landing/b.csv:3: column `id`: `four` is not a valid bigint"),
        "{complaints}"
    );
}

#[test]
fn a_view_that_no_longer_works_is_named() {
    let project = Project::new(&[
        ("models/base.sql", &table("select 1 as id, 2 as price")),
        ("models/seen.sql", "{{ config(materialized='view') }}\nselect id, price from {{ ref('base') }}\n"),
        ("models/top.sql", &table("select\n    price\nfrom {{ ref('seen') }}")),
    ]);
    project.ok(&["run"]);
    // The view is not built again, so it still wants the column that is gone.
    project.write("models/base.sql", &table("select 1 as id"));
    project.ok(&["run", "--select", "base"]);
    let run = project.run(&["run", "--select", "top"]).expect_code(2);
    let complaints = project.complaints(&run);
    let part = "error[unknown-column]: the view `main.seen` cannot be read: column `price` does not exist\n --> models/top.sql:4:";
    assert!(complaints.contains(part), "{complaints}");
}

// ---------------------------------------------------------------------------------------------------------------------
// The disk

/// Runs a shell script in a mount namespace of its own; `None` where that is not allowed.
#[cfg(target_os = "linux")]
fn with_small_disk(project: &Project, size: &str, script: &str) -> Option<String> {
    let script = format!("mount -t tmpfs -o size={size} tmpfs warehouse 2>/dev/null || exit 77\n{script}");
    let mut command = project.command(&[]);
    let karat = command.get_program().to_owned();
    command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]).current_dir(project.path("")).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", project.path("..")).env("NO_COLOR", "1");
    command.env("KARAT", karat).env("KARAT_NOW", crate::support::NOW);
    let output = command.stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    Some(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "a test that could not run must say so")]
fn a_full_disk_is_told_and_leaves_what_is_published() {
    let project = Project::new(&[
        ("models/small.sql", &table("select 1 as one")),
        (
            "models/large.sql",
            &table("select value as id, md5(cast(value as varchar)) as h from generate_series(1, 200000)"),
        ),
    ]);
    std::fs::create_dir_all(project.path("warehouse")).unwrap();
    let show = "\"$KARAT\" show --inline 'select one from main.small' --output csv 2>/dev/null";
    let script = format!(
        "\"$KARAT\" run --select small >/dev/null 2>&1; echo first $?\n\
         \"$KARAT\" run --full-refresh 2>&1; echo second $?\n{show}\n\
         dd if=/dev/zero of=warehouse/filler bs=1k 2>/dev/null; \"$KARAT\" run --select small 2>&1; echo third $?\n{show}\n\
         rm warehouse/filler; \"$KARAT\" run --select small >/dev/null 2>&1; echo fourth $?\n{show}\n"
    );
    let Some(output) = with_small_disk(&project, "700k", &script) else {
        eprintln!("SKIPPED a_full_disk_is_told_and_leaves_what_is_published: no mount namespace here");
        return;
    };
    let codes: Vec<&str> = output
        .lines()
        .filter(|line| ["first", "second", "third", "fourth"].iter().any(|word| line.starts_with(word)))
        .collect();
    assert!(codes[0] == "first 0" && codes[3] == "fourth 0", "{output}");
    assert!(codes[1] == "second 3" && codes[2] == "third 3", "{output}");
    assert!(output.matches("error[storage-full]").count() >= 2 && output.contains("= hint: "), "{output}");
    assert!(output.matches("no space left on the d").count() >= 2, "{output}");
    assert!(!output.contains("os error") && !output.contains("panicked"), "{output}");
    assert_eq!(output.matches("one\n1\n").count(), 3, "{output}");
}

#[test]
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "a test that could not run must say so")]
fn a_warehouse_that_cannot_be_written_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::new(&[("models/small.sql", &table("select 1 as one"))]);
    std::fs::create_dir_all(project.path("warehouse")).unwrap();
    std::fs::create_dir_all(project.path("target")).unwrap();
    std::fs::create_dir_all(project.path("logs")).unwrap();
    for (path, mode) in [("..", 0o755), ("", 0o755), ("warehouse", 0o555), ("target", 0o777), ("logs", 0o777)] {
        std::fs::set_permissions(project.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    // Root may write everywhere, so another user must try.
    let karat = project.path("karat");
    std::fs::copy(project.command(&[]).get_program(), &karat).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&karat)
        .arg("run")
        .current_dir(project.path(""))
        .env_clear()
        .env("NO_COLOR", "1")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.code() != Some(127) && output.status.code() != Some(1) => {
            let run = Run::of(output).expect_code(3);
            let run = run.expect_message(&["error[permission-denied]", "permission denied", "warehouse", "= hint: "]);
            assert!(!run.stderr.contains("os error"), "{}", run.stderr);
        }
        _ => eprintln!("SKIPPED a_warehouse_that_cannot_be_written_is_told: no other user to be here"),
    }
}
