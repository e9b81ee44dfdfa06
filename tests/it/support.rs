//! A project in a temporary folder and the real binary run on it, as a user would: only files, exit codes and output.
//!
//! Nothing of the machine gets in: the environment is empty but for a home in the temporary folder and a pinned time.

#![expect(clippy::disallowed_methods, reason = "reads and writes the folders of tests")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use datafusion::arrow::array::{Array as _, ArrayRef};
use datafusion::arrow::util::display::array_value_to_string;
use regex::Regex;
use serde_json::Value as Json;
use tempfile::TempDir;

/// The time of every run that does not say another one.
pub const NOW: &str = "2024-05-01T06:00:00Z";

/// Whether the slow forms of tests are wanted as well: `KARAT_SLOW=1`.
pub fn is_slow() -> bool {
    std::env::var("KARAT_SLOW").is_ok_and(|value| value == "1")
}

/// A project folder that goes away with the test.
pub struct Project {
    folder: TempDir,
}

/// What became of one invocation.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Project {
    /// A project of the given files; without a `project.yml` among them it gets a small one.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let project = Self::empty();
        if !files.iter().any(|(path, _)| path.ends_with("project.yml")) {
            project.write("project.yml", "name: shop\nversion: '1.0'\n");
        }
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    /// An empty folder.
    pub fn empty() -> Self {
        let project = Self { folder: tempfile::Builder::new().prefix("karat-").tempdir().unwrap() };
        fs::create_dir_all(project.path("")).unwrap();
        project
    }

    /// A path within the project.
    pub fn path(&self, path: &str) -> PathBuf {
        // A folder of its own, so that the project is not also the home.
        self.folder.path().join("project").join(path)
    }

    /// Writes a file, making its folders.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Removes a file.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    /// The same project in another folder, with its warehouse.
    pub fn copy(&self) -> Self {
        let copy = Self::empty();
        copy_folder(&self.path(""), &copy.path(""));
        copy
    }

    /// Copies a file or folder from elsewhere into the project.
    pub fn take(&self, from: &Path, to: &str) {
        if from.is_dir() {
            copy_folder(from, &self.path(to));
        } else {
            fs::copy(from, self.path(to)).unwrap();
        }
    }

    /// The binary with its arguments, not started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_karat"));
        command.args(arguments).current_dir(self.path("")).env_clear();
        command.env("HOME", self.folder.path()).env("NO_COLOR", "1").env("KARAT_NOW", NOW);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the binary and does not wait.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs the binary.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    /// Runs the binary with additional environment variables.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        Run::of(self.command(arguments).envs(variables.iter().copied()).output().unwrap())
    }

    /// Runs the binary and expects success.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Run {
        self.run(arguments).expect_code(0)
    }

    /// The rows of a query, a template, as JSON objects.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Json> {
        self.query_with(sql, &[])
    }

    /// The rows of a query with further arguments, such as another target.
    #[track_caller]
    pub fn query_with(&self, sql: &str, arguments: &[&str]) -> Vec<Json> {
        let shown = self.ok(&[&["show", "--inline", sql, "--output", "json", "--limit", "-1"], arguments].concat());
        let document: Json = serde_json::from_str(&shown.stdout).unwrap();
        document["show"].as_array().unwrap().clone()
    }

    /// The rows of a query, one line each, the values divided by bars.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        lines(&self.query(sql))
    }

    /// As [`Self::rows`], in one text for a snapshot.
    #[track_caller]
    pub fn text(&self, sql: &str) -> String {
        self.rows(sql).join("\n")
    }

    /// The rows of a query exactly as `show --output ndjson` prints them.
    #[track_caller]
    pub fn exact(&self, sql: &str) -> String {
        self.ok(&["show", "--inline", sql, "--output", "ndjson", "--limit", "-1"]).stdout.trim_end().to_owned()
    }

    /// All files of the warehouse with a hash of their content, but for locks, which only exist while they are held.
    pub fn files(&self) -> BTreeMap<String, String> {
        self.files_below("warehouse")
    }

    /// All files below a folder of the project with a hash of their content.
    pub fn files_below(&self, folder: &str) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        walk(&self.path(folder), &mut |path| {
            if path.extension().is_none_or(|extension| extension != "lock") {
                let name = path.strip_prefix(self.path("")).unwrap().to_str().unwrap().to_owned();
                files.insert(name, blake3::hash(&fs::read(path).unwrap()).to_hex().to_string());
            }
        });
        files
    }

    /// The names of the commits of a table, such as `["0", "1"]`.
    pub fn commits(&self, table: &str) -> Vec<u64> {
        self.numbers(&format!("warehouse/{table}/_delta_log"))
    }

    /// The numbers of the entries of an environment's log.
    pub fn entries(&self, environment: &str) -> Vec<u64> {
        self.numbers(&format!("warehouse/_karat/env/{environment}"))
    }

    fn numbers(&self, folder: &str) -> Vec<u64> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut numbers: Vec<u64> = names.filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// `run_results.json` of the last run.
    pub fn run_results(&self) -> Json {
        serde_json::from_str(&self.read("target/run_results.json")).unwrap()
    }

    /// Status of each node in the last run, by the last part of its id.
    pub fn statuses(&self) -> BTreeMap<String, String> {
        self.results(|result| result["status"].as_str().unwrap().to_owned())
    }

    /// What was done to each node in the last run: `table`, `merge`, `append` and so on.
    pub fn actions(&self) -> BTreeMap<String, String> {
        self.results(|result| result["adapter_response"]["code"].as_str().unwrap_or_default().to_owned())
    }

    /// How many rows of a node were inserted, updated and deleted in the last run, and how many it has.
    pub fn counts(&self, node: &str) -> String {
        let counts = self.results(|result| {
            let response = &result["adapter_response"];
            let count = |name: &str| response[name].as_u64().unwrap_or_default();
            format!(
                "+{} ~{} -{} ={}",
                count("rows_inserted"),
                count("rows_updated"),
                count("rows_deleted"),
                count("rows_total")
            )
        });
        counts.get(node).cloned().unwrap_or_default()
    }

    fn results<T>(&self, value: impl Fn(&Json) -> T) -> BTreeMap<String, T> {
        let results = self.run_results();
        let results = results["results"].as_array().unwrap();
        // `model.shop.items` is `items`; `test.shop.not_null_items_id.1a2b3c` is `not_null_items_id`.
        let name = |result: &Json| result["unique_id"].as_str().unwrap().split('.').nth(2).unwrap().to_owned();
        results.iter().map(|result| (name(result), value(result))).collect()
    }

    /// A text without what differs from run to run: the folder, times, durations, ids.
    pub fn redacted(&self, text: &str) -> String {
        let folder = self.path("");
        let mut text = text.replace(folder.to_str().unwrap().trim_end_matches('/'), "<project>");
        for (pattern, replacement) in [
            (r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", ""),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
            (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>"),
            (r" *\b\d+(\.\d+)? ?(ms|s|min)\b", " <duration>"),
        ] {
            text = Regex::new(pattern).unwrap().replace_all(&text, replacement).into_owned();
        }
        let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
        trimmed.join("\n").trim_matches('\n').to_owned()
    }

    /// What a failed run says between the lines of progress: its diagnostics with notes, hints and rows.
    pub fn complaints(&self, run: &Run) -> String {
        let text = self.redacted(&run.stderr);
        let starts = |line: &str| line.starts_with("error") || line.starts_with("warning");
        let mut complaints = String::new();
        let mut inside = false;
        for line in text.lines() {
            inside = starts(line) || (inside && !line.is_empty());
            if inside {
                writeln!(complaints, "{line}").unwrap();
            }
        }
        complaints.trim_end().to_owned()
    }
}

impl Drop for Project {
    #[expect(clippy::print_stderr, reason = "says where the folder is")]
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("KARAT_KEEP").is_some() {
            self.folder.disable_cleanup(true);
            eprintln!("kept {}", self.path("").display());
        }
    }
}

impl Run {
    /// The result of a process that has ended.
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Expects an exit code, and shows the output otherwise.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Expects texts on standard error.
    #[track_caller]
    pub fn expect_message(self, parts: &[&str]) -> Self {
        for part in parts {
            // With `--log-format json` messages are on standard output.
            let messages = if self.stdout.starts_with("{\"info\"") { &self.stdout } else { &self.stderr };
            assert!(messages.contains(part), "`{part}` is not in\n{messages}");
        }
        self
    }
}

/// Rows as sorted texts in which the same values look the same.
pub fn plain(rows: &[Json]) -> Vec<String> {
    let value = |value: &Json| match value {
        Json::Number(number) => number.as_f64().unwrap().to_string(),
        Json::String(text) => match text.parse::<f64>() {
            Ok(number) => number.to_string(),
            Err(_) => text.replace('T', " ").trim_end_matches(" 00:00:00").to_owned(),
        },
        other => other.to_string(),
    };
    let row = |row: &Json| {
        let cells: BTreeMap<String, String> =
            row.as_object().unwrap().iter().map(|(name, cell)| (name.to_lowercase(), value(cell))).collect();
        format!("{cells:?}")
    };
    let mut rows: Vec<String> = rows.iter().map(row).collect();
    rows.sort();
    rows
}

/// Rows as lines, the values divided by bars.
pub fn lines(rows: &[Json]) -> Vec<String> {
    let value = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    rows.iter().map(|row| row.as_object().unwrap().values().map(value).collect::<Vec<_>>().join("|")).collect()
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    walk(from, &mut |path| {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    });
}

/// Holds a text to the file that has it; `KARAT_UPDATE=1` writes the file anew.
pub fn golden(file: &Path, text: &str) {
    if std::env::var_os("KARAT_UPDATE").is_some() {
        fs::write(file, text).unwrap();
    }
    let kept = fs::read_to_string(file).unwrap_or_default();
    assert!(kept == text, "{} is out of date; this is what it should be:\n{text}", file.display());
}

/// The names of the folders in a folder.
pub fn folders_in(folder: &Path) -> BTreeSet<String> {
    let folders = fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// A number that the environment may set, so that a test can be run longer or repeated exactly.
pub fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Plays a property once per seed. How many are played is set by `variable`, the first seed by `KARAT_SEED`; the seed of
/// the one that fails is told. With `KARAT_KEEP` set, the project of a failed one stays on the disk.
pub fn for_seeds(variable: &str, usual: u64, property: impl Fn(u64)) {
    let first = number("KARAT_SEED", 1);
    for seed in first..first + number(variable, usual) {
        let repeat = Repeat(format!("KARAT_SEED={seed} {variable}=1"));
        property(seed);
        drop(repeat);
    }
}

/// Tells how to repeat what panics while this is alive.
struct Repeat(String);

impl Drop for Repeat {
    #[expect(clippy::print_stderr, reason = "a failed property must say its seed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with {}", self.0);
        }
    }
}

/// A small generator of random numbers (SplitMix64): the same seed gives the same test.
pub struct Random(pub u64);

impl Random {
    /// One of several.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A value of a result as text; `NULL` if there is none.
pub fn cell(column: &ArrayRef, row: usize) -> String {
    if column.data_type().is_null() || column.is_null(row) {
        return "NULL".to_owned();
    }
    array_value_to_string(column, row).unwrap()
}
