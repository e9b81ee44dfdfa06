//! Proof against crashes: `build` and `snapshot` killed by SIGKILL at random moments, at random system calls that change
//! the disk, and at every named step of a publication.
//!
//! After each kill a reader sees the old or the new state as a whole, artifacts are whole or absent, and the same
//! command, run again without any help, ends in the state of a run that nobody disturbed. `KARAT_KILLS` and
//! `KARAT_POINTS` set how many kills there are, `KARAT_SEED` the seed.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "measures a build")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::shop;
use crate::support::{Project, Random, number};

const SOURCES: &str = "
sources:
  - name: landing
    external: {location: 'landing/{name}/*.csv', format: csv}
    tables:
      - name: items
        columns:
          - {name: id, data_type: bigint}
          - {name: kind, data_type: varchar}
          - {name: price, data_type: 'decimal(10,2)'}
          - {name: gone, data_type: boolean}
  - name: outside
    external: {location: 'warehouse/silver/{name}', format: delta, missing_files: empty}
    tables:
      - name: items
      - name: arrivals
";

const ITEMS: &str = "
{{ config(materialized='incremental', unique_key='id', delete_when='gone') }}
select id, kind, price, gone, _karat_file as file from {{ source('landing', 'items') }}
{% if is_incremental() %}where _karat_file not in (select file from {{ this }}){% endif %}
";

/// Adds lines only: what is loaded twice is seen.
const ARRIVALS: &str = "
{{ config(materialized='incremental', incremental_strategy='append') }}
select id, _karat_file as file, _karat_line as line from {{ source('landing', 'items') }} as l
{% if is_incremental() %}where _karat_file > (select max(file) from {{ this }}){% endif %}
";

const PROPERTIES: &str = "
models:
  - name: items
    columns:
      - {name: id, data_tests: [unique, not_null]}
      - {name: price, data_tests: [no_negatives]}
snapshots:
  - name: items_snapshot
    relation: ref('items')
    config: {unique_key: id, strategy: check, check_cols: [kind, price], hard_deletes: invalidate}
";

/// A seed, an incremental merge, an append, a snapshot, a table, a view, and tests; with the first batch built.
fn small() -> Project {
    let project = Project::new(&[
        ("models/bronze/_sources.yml", SOURCES),
        ("models/silver/items.sql", ITEMS),
        ("models/silver/arrivals.sql", ARRIVALS),
        ("models/silver/properties.yml", PROPERTIES),
        ("seeds/kinds.csv", "kind,label\na,Aloe\nb,Begonia\n"),
        (
            "models/gold/totals.sql",
            "{{ config(materialized='table') }}\nselect label, count(*) as n, sum(price) as price from {{ ref('items') }} as i \
             join {{ ref('kinds') }} as k on i.kind = k.kind group by label",
        ),
        (
            "models/gold/current.sql",
            "{{ config(materialized='view') }}\nselect * from {{ ref('items_snapshot') }} where dbt_valid_to is null",
        ),
        ("landing/items/1.csv", "id,kind,price,gone\n1,a,2.50,\n2,b,3.00,\n3,a,1.00,\n"),
    ]);
    project.ok(&["build", "--now", "2024-05-01T06:00:00Z"]);
    project
}

/// The second batch: an update, a deletion, a new item.
fn second(project: &Project) {
    project.write("landing/items/2.csv", "id,kind,price,gone\n2,b,3.50,\n3,a,1.00,true\n4,b,4.25,\n");
    project.write("seeds/kinds.csv", "kind,label\na,Aloe vera\nb,Begonia\n");
}

const BUILD: [&str; 3] = ["build", "--now", "2024-05-02T06:00:00Z"];
const SNAPSHOT: [&str; 3] = ["snapshot", "--now", "2024-05-02T06:00:00Z"];

/// All that is published, as text.
fn state(project: &Project) -> Vec<String> {
    let mut rows = project.rows(
        "select concat_ws(' ', 'items', id, kind, price, file) from {{ ref('items') }}
         union all select concat_ws(' ', 'arrivals', id, file, line) from {{ ref('arrivals') }}
         union all select concat_ws(' ', 'kinds', kind, label) from {{ ref('kinds') }}
         union all select concat_ws(' ', 'totals', label, n, price) from {{ ref('totals') }}
         union all select concat_ws(' ', 'current', id, price) from {{ ref('current') }}
         union all select concat_ws(' ', 'history', id, kind, price, dbt_valid_from, dbt_valid_to) from {{ ref('items_snapshot') }}",
    );
    rows.sort();
    rows
}

/// What a reader sees that knows Delta's log and nothing of karat.
fn outside(project: &Project) -> Vec<String> {
    let mut rows = project.rows(
        "select concat_ws(' ', 'items', id, kind, price, file) from {{ source('outside', 'items') }}
         union all select concat_ws(' ', 'arrivals', id, file, line) from {{ source('outside', 'arrivals') }}",
    );
    rows.sort();
    rows
}

/// A command that is killed, and the states before and after it.
struct Scene<'a> {
    base: Project,
    arguments: &'a [&'a str],
    state: fn(&Project) -> Vec<String>,
    old: Vec<String>,
    new: Vec<String>,
    /// What the undisturbed run has taken.
    takes: Duration,
    /// The number of its entry.
    entries: Vec<u64>,
}

impl<'a> Scene<'a> {
    fn new(base: Project, arguments: &'a [&'a str], state: fn(&Project) -> Vec<String>) -> Self {
        let old = state(&base);
        let undisturbed = base.copy();
        let begun = Instant::now();
        undisturbed.ok(arguments);
        let takes = begun.elapsed();
        let new = state(&undisturbed);
        assert_ne!(old, new);
        Self { base, arguments, state, old, new, takes, entries: undisturbed.entries("dev") }
    }

    /// What must hold after a kill, and after the same command has run once more.
    #[track_caller]
    fn survived(&self, project: &Project, moment: &str) -> bool {
        let files = project.files_below("target");
        for path in files.keys().filter(|path| Path::new(path).extension().is_some_and(|form| form == "json")) {
            let parsed = serde_json::from_str::<serde_json::Value>(&project.read(path));
            assert!(parsed.is_ok(), "{moment}: {path} is half written");
        }
        let seen = (self.state)(project);
        assert!(seen == self.old || seen == self.new, "{moment}: readers see\n{}", seen.join("\n"));
        let again = project.run(self.arguments);
        assert_eq!(again.code, Some(0), "{moment}: the next run says\n{}", again.stderr);
        assert_eq!((self.state)(project), self.new, "{moment}: the next run ends in another state");
        // One entry for each run that published, none missing between them.
        let published = u64::from(seen == self.new);
        let last = self.entries.last().unwrap() + published;
        assert_eq!(project.entries("dev"), (1..=last).collect::<Vec<_>>(), "{moment}");
        seen == self.new
    }

    /// Kills after random delays: half of them anywhere, half near the end, where it is published.
    fn kill_at_random(&self, kills: u64, seed: u64) {
        let mut random = Random(seed);
        let whole = u64::try_from(self.takes.as_micros()).unwrap();
        for kill in 0..kills {
            let project = self.base.copy();
            let delay = if kill % 2 == 0 { random.below(whole) } else { whole * 6 / 10 + random.below(whole * 4 / 10) };
            let mut child = project.start(self.arguments);
            std::thread::sleep(Duration::from_micros(delay));
            child.kill().unwrap();
            child.wait().unwrap();
            self.survived(&project, &format!("seed {seed}, kill {kill} after {delay} of {whole} µs"));
        }
    }
}

fn build_scene() -> Scene<'static> {
    let base = small();
    second(&base);
    Scene::new(base, &BUILD, state)
}

#[test]
fn proof_build_survives_being_killed_at_any_moment() {
    build_scene().kill_at_random(number("KARAT_KILLS", 14), number("KARAT_SEED", 1));
}

#[test]
fn proof_snapshot_survives_being_killed_at_any_moment() {
    let base = small();
    second(&base);
    base.ok(&["seed"]);
    base.ok(&["run", "--now", "2024-05-02T06:00:00Z"]);
    Scene::new(base, &SNAPSHOT, state).kill_at_random(number("KARAT_KILLS", 14), number("KARAT_SEED", 2));
}

#[test]
fn proof_the_plant_shop_survives_being_killed_at_any_moment() {
    let base = shop::project();
    shop::build(&base, "2024-05-01T06:00:00Z");
    shop::second_batch(&base);
    let arguments = shop::arguments("2024-05-02T06:00:00Z");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let state = |project: &Project| {
        let content = shop::content(project);
        content.into_iter().flat_map(|(name, rows)| rows.into_iter().map(move |row| format!("{name} {row}"))).collect()
    };
    Scene::new(base, &arguments, state).kill_at_random(number("KARAT_KILLS", 2), number("KARAT_SEED", 3));
}

#[test]
fn proof_build_survives_a_crash_at_every_step_of_a_publication() {
    let scene = build_scene();
    for point in ["after-stage", "after-sync", "between-commits", "after-commits", "after-entry"] {
        let project = scene.base.copy();
        let crashed = project.run_with(scene.arguments, &[("KARAT_FAILPOINT", &format!("{point}:abort"))]);
        assert_eq!(crashed.code, None, "{point}: was not killed\n{}", crashed.stderr);
        assert_eq!(scene.survived(&project, point), point == "after-entry", "{point}");
        let now: BTreeSet<String> = outside(&project).into_iter().collect();
        assert!(now.is_subset(&scene.new.iter().cloned().collect()), "{point}: other readers see {now:?}");
        assert_eq!(
            now.len(),
            scene.new.iter().filter(|row| row.starts_with("items") || row.starts_with("arr")).count()
        );
    }
}

/// Calls that change the disk. Each is counted per thread, by strace as by us.
const CALLS: [&str; 8] = ["openat", "write", "rename", "linkat", "fsync", "mkdir", "unlink", "ftruncate"];

fn under_strace(project: &Project, options: &[&str], arguments: &[&str]) -> Command {
    let karat = project.command(&[]).get_program().to_owned();
    let mut command = Command::new("strace");
    command.args(options).arg(karat).args(arguments).current_dir(project.path("")).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", project.path("..")).env("NO_COLOR", "1");
    command.env("KARAT_NOW", crate::support::NOW);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The places, by call, at which an undisturbed run changes the disk: the how manieth of a thread's calls.
fn places(project: &Project, arguments: &[&str]) -> Option<BTreeMap<&'static str, Vec<u64>>> {
    let trace = project.path("trace.txt");
    let calls = format!("trace={}", CALLS.join(","));
    let options = ["-f", "-qq", "-e", &calls, "-o", trace.to_str().unwrap()];
    let status = under_strace(project, &options, arguments).status().ok()?;
    if !status.success() {
        return None;
    }
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    let mut places: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in std::fs::read_to_string(trace).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some(call) = CALLS.into_iter().find(|call| rest.trim_start().starts_with(&format!("{call}("))) else {
            continue;
        };
        let count = counts.entry((thread.to_owned(), call)).or_default();
        *count += 1;
        let is_output = rest.contains("write(1,") || rest.contains("write(2,");
        if !(is_output || call == "openat" && !rest.contains("O_CREAT")) {
            places.entry(call).or_default().push(*count);
        }
    }
    Some(places)
}

#[test]
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "a test that could not run must say so")]
fn proof_build_survives_being_killed_at_calls_that_change_the_disk() {
    let scene = build_scene();
    let Some(places) = places(&scene.base.copy(), scene.arguments) else {
        eprintln!("SKIPPED proof_build_survives_being_killed_at_calls_that_change_the_disk: no strace here");
        return;
    };
    assert!(["openat", "write", "linkat", "fsync", "mkdir"].iter().all(|call| places.contains_key(call)), "{places:?}");
    let (points, seed) = (number("KARAT_POINTS", 8), number("KARAT_SEED", 1));
    let mut random = Random(seed);
    let mut killed = 0;
    for point in 0..points {
        let calls: Vec<&str> = places.keys().copied().collect();
        // Each call has its turn; the how manieth is drawn.
        let call = calls[usize::try_from(point).unwrap() % calls.len()];
        let nth = random.pick(&places[call]);
        let project = scene.base.copy();
        let (traced, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={nth}"));
        let options = ["-f", "-qq", "-o", "/dev/null", "-e", &traced, "-e", &inject];
        let status = under_strace(&project, &options, scene.arguments).status().unwrap();
        // Threads share the work anew in each run, so a place may not be met: then nothing was disturbed.
        killed += u64::from(!status.success());
        scene.survived(&project, &format!("seed {seed}, point {point}: {call} number {nth} of a thread"));
    }
    eprintln!("{points} points, {killed} killed");
    assert!(killed * 2 > points, "only {killed} of {points} points were met");
}
